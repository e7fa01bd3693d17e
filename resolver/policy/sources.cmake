target_sources(chalkgate-core PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/build.c
  ${CMAKE_CURRENT_LIST_DIR}/calendar.c
  ${CMAKE_CURRENT_LIST_DIR}/clients.c
  ${CMAKE_CURRENT_LIST_DIR}/explain.c
  ${CMAKE_CURRENT_LIST_DIR}/facts.c
  ${CMAKE_CURRENT_LIST_DIR}/judge.c
  ${CMAKE_CURRENT_LIST_DIR}/names.c
  ${CMAKE_CURRENT_LIST_DIR}/now.c
  ${CMAKE_CURRENT_LIST_DIR}/profiles.c
  ${CMAKE_CURRENT_LIST_DIR}/rows.c
  ${CMAKE_CURRENT_LIST_DIR}/rules.c
  ${CMAKE_CURRENT_LIST_DIR}/subnets.c
  ${CMAKE_CURRENT_LIST_DIR}/zone.c)
