chalkgate_unit_test(base-hook test_hook.c)
