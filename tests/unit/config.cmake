chalkgate_unit_test(config-load test_load.c)
