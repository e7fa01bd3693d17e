target_sources(chalkgate-core PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/address.c
  ${CMAKE_CURRENT_LIST_DIR}/arena.c
  ${CMAKE_CURRENT_LIST_DIR}/check.c
  ${CMAKE_CURRENT_LIST_DIR}/civil.c
  ${CMAKE_CURRENT_LIST_DIR}/clock.c
  ${CMAKE_CURRENT_LIST_DIR}/folder.c
  ${CMAKE_CURRENT_LIST_DIR}/hook.c
  ${CMAKE_CURRENT_LIST_DIR}/known_time.c
  ${CMAKE_CURRENT_LIST_DIR}/lmdb_room.c
  ${CMAKE_CURRENT_LIST_DIR}/log.c
  ${CMAKE_CURRENT_LIST_DIR}/mac.c
  ${CMAKE_CURRENT_LIST_DIR}/random.c
  ${CMAKE_CURRENT_LIST_DIR}/siphash.c
  ${CMAKE_CURRENT_LIST_DIR}/text.c
  ${CMAKE_CURRENT_LIST_DIR}/thread.c)
