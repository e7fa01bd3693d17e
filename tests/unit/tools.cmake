chalkgate_unit_test(tools-table test_table.c chalkgate-verbs)
chalkgate_unit_test(tools-time test_time.c chalkgate-verbs)
chalkgate_unit_test(tools-why test_why.c chalkgate-verbs)
chalkgate_unit_test(tools-denials test_denials.c chalkgate-verbs)
