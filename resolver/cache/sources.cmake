target_sources(chalkgate-core PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/cache.c
  ${CMAKE_CURRENT_LIST_DIR}/keep.c)
