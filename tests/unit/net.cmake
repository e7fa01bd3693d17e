chalkgate_unit_test(net-volley net/test_volley.c -Wl,--wrap=sendmmsg)
target_sources(unit-net-volley PRIVATE ${PROJECT_SOURCE_DIR}/resolver/net/volley.c)
