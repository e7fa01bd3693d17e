chalkgate_unit_test(policy-policy test_policy.c)
chalkgate_unit_test(policy-property test_property.c)
chalkgate_unit_test(policy-calendar test_calendar.c)
chalkgate_unit_test(policy-state test_state.c PkgConfig::LMDB PkgConfig::JANSSON)
