target_sources(chalkgate-core PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/compose.c
  ${CMAKE_CURRENT_LIST_DIR}/cookie.c
  ${CMAKE_CURRENT_LIST_DIR}/question.c
  ${CMAKE_CURRENT_LIST_DIR}/walk.c)
