target_sources(chalkgate-core PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/bootstrap.c
  ${CMAKE_CURRENT_LIST_DIR}/exchange.c
  ${CMAKE_CURRENT_LIST_DIR}/exchange_failures.c
  ${CMAKE_CURRENT_LIST_DIR}/exchange_outcome.c
  ${CMAKE_CURRENT_LIST_DIR}/exchange_servers.c
  ${CMAKE_CURRENT_LIST_DIR}/exchange_try.c
  ${CMAKE_CURRENT_LIST_DIR}/exchange_wait.c
  ${CMAKE_CURRENT_LIST_DIR}/health.c)
