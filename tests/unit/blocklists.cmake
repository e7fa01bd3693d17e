chalkgate_unit_test(blocklists-name blocklists/test_name.c)
chalkgate_unit_test(blocklists-store blocklists/test_store.c)
chalkgate_unit_test(blocklists-lists blocklists/test_lists.c)
chalkgate_unit_test(blocklists-protect blocklists/test_protect.c)
