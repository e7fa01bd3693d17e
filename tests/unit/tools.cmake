chalkgate_unit_test(tools-table test_table.c chalkgate-verbs)
chalkgate_unit_test(tools-time test_time.c chalkgate-verbs)
chalkgate_unit_test(tools-why test_why.c chalkgate-verbs)
chalkgate_unit_test(tools-why-past test_why_past.c chalkgate-verbs PkgConfig::LMDB PkgConfig::JANSSON
  PkgConfig::CRYPTO)
chalkgate_unit_test(tools-denials test_denials.c chalkgate-verbs)
chalkgate_unit_test(tools-findings test_findings.c chalkgate-verbs school-month)
chalkgate_unit_test(tools-policy test_policy.c chalkgate-verbs)
