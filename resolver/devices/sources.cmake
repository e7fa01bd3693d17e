target_sources(chalkgate-core PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/devices.c
  ${CMAKE_CURRENT_LIST_DIR}/lease.c
  ${CMAKE_CURRENT_LIST_DIR}/lease_dnsmasq.c
  ${CMAKE_CURRENT_LIST_DIR}/lease_isc.c
  ${CMAKE_CURRENT_LIST_DIR}/lease_kea.c
  ${CMAKE_CURRENT_LIST_DIR}/netlink.c)
