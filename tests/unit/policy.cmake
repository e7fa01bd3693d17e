chalkgate_unit_test(policy-policy test_policy.c)
chalkgate_unit_test(policy-property test_property.c)
chalkgate_unit_test(policy-calendar test_calendar.c)
chalkgate_unit_test(policy-grants test_grants.c PkgConfig::LMDB PkgConfig::JANSSON)
chalkgate_unit_test(policy-versions test_versions.c PkgConfig::LMDB PkgConfig::JANSSON)
chalkgate_unit_test(policy-state test_state.c PkgConfig::LMDB PkgConfig::JANSSON)
chalkgate_unit_test(policy-moments test_moments.c PkgConfig::LMDB PkgConfig::JANSSON)
chalkgate_unit_test(policy-incidents test_incidents.c PkgConfig::LMDB PkgConfig::JANSSON)
chalkgate_unit_test(policy-state-damage test_state_damage.c PkgConfig::LMDB PkgConfig::JANSSON)
chalkgate_unit_test(policy-loosened test_loosened.c)

# Thousands of grants, for tests of what many of them do.
add_executable(make-grants ${PROJECT_SOURCE_DIR}/tests/support/make_grants.c)
target_link_libraries(make-grants PRIVATE chalkgate-core PkgConfig::LMDB PkgConfig::JANSSON)
