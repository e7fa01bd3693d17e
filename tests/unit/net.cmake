# What leaves in batches, with a kernel that refuses.
foreach(what volley outbox)
  chalkgate_unit_test(net-${what} net/test_${what}.c -Wl,--wrap=sendmmsg)
  target_sources(unit-net-${what} PRIVATE ${CMAKE_CURRENT_LIST_DIR}/net/kernel.c
    ${PROJECT_SOURCE_DIR}/resolver/net/${what}.c ${PROJECT_SOURCE_DIR}/resolver/net/joined.c)
endforeach()
