chalkgate_unit_test(blocklists-name blocklists/test_name.c)
