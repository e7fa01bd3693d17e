chalkgate_unit_test(base-hash test_hash.c)
chalkgate_unit_test(base-hook test_hook.c)
chalkgate_unit_test(base-text test_text.c)
chalkgate_unit_test(base-clock test_clock.c)
