# TLS without sockets is a library: exports use it too.
add_library(chalkgate-tls STATIC ${CMAKE_CURRENT_LIST_DIR}/tls.c)
target_link_libraries(chalkgate-tls PUBLIC chalkgate-core PkgConfig::SSL PkgConfig::CRYPTO)

target_sources(chalkgated PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/channel.c
  ${CMAKE_CURRENT_LIST_DIR}/datagram.c
  ${CMAKE_CURRENT_LIST_DIR}/joined.c
  ${CMAKE_CURRENT_LIST_DIR}/link.c
  ${CMAKE_CURRENT_LIST_DIR}/listen.c
  ${CMAKE_CURRENT_LIST_DIR}/outbox.c
  ${CMAKE_CURRENT_LIST_DIR}/port.c
  ${CMAKE_CURRENT_LIST_DIR}/server.c
  ${CMAKE_CURRENT_LIST_DIR}/stream.c
  ${CMAKE_CURRENT_LIST_DIR}/volley.c
  ${CMAKE_CURRENT_LIST_DIR}/worker.c)
target_link_libraries(chalkgated PRIVATE chalkgate-tls)
