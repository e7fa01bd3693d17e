chalkgate_unit_test(base-address base/test_address.c)
chalkgate_unit_test(dns-message dns/test_message.c PkgConfig::LDNS)
chalkgate_unit_test(cache cache/test_cache.c)
chalkgate_unit_test(query-reply query/test_reply.c PkgConfig::LDNS)
