target_sources(chalkgate-core PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/case.c
  ${CMAKE_CURRENT_LIST_DIR}/day.c
  ${CMAKE_CURRENT_LIST_DIR}/dictionary.c
  ${CMAKE_CURRENT_LIST_DIR}/domain.c
  ${CMAKE_CURRENT_LIST_DIR}/drain.c
  ${CMAKE_CURRENT_LIST_DIR}/journal.c
  ${CMAKE_CURRENT_LIST_DIR}/journal_file.c
  ${CMAKE_CURRENT_LIST_DIR}/journal_scan.c
  ${CMAKE_CURRENT_LIST_DIR}/legend.c
  ${CMAKE_CURRENT_LIST_DIR}/segment.c
  ${CMAKE_CURRENT_LIST_DIR}/segment_add.c
  ${CMAKE_CURRENT_LIST_DIR}/segments.c
  ${CMAKE_CURRENT_LIST_DIR}/writer.c)
