chalkgate_unit_test(siphash base/test_siphash.c)
chalkgate_unit_test(query-safe-search query/test_safe_search.c)
chalkgate_unit_test(query-recompose query/test_recompose.c PkgConfig::LDNS)
chalkgate_unit_test(query-rebinding query/test_rebinding.c)
