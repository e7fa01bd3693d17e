set(SAFE_SEARCH_C ${CMAKE_BINARY_DIR}/generated/safe_search.c)
add_custom_command(OUTPUT ${SAFE_SEARCH_C}
  COMMAND ${CMAKE_COMMAND} -DINPUT=${CMAKE_CURRENT_LIST_DIR}/safe_search.txt -DOUTPUT=${SAFE_SEARCH_C}
          -DNAME=safe_search_shipped -DHEADER=resolver/query/safe_search.h
          -P ${CMAKE_CURRENT_SOURCE_DIR}/embed.cmake
  DEPENDS ${CMAKE_CURRENT_LIST_DIR}/safe_search.txt ${CMAKE_CURRENT_SOURCE_DIR}/embed.cmake)

target_sources(chalkgate-core PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/allowed.c
  ${CMAKE_CURRENT_LIST_DIR}/answer.c
  ${CMAKE_CURRENT_LIST_DIR}/deny.c
  ${CMAKE_CURRENT_LIST_DIR}/facts.c
  ${CMAKE_CURRENT_LIST_DIR}/forward.c
  ${CMAKE_CURRENT_LIST_DIR}/judge.c
  ${CMAKE_CURRENT_LIST_DIR}/kept.c
  ${CMAKE_CURRENT_LIST_DIR}/limit.c
  ${CMAKE_CURRENT_LIST_DIR}/local.c
  ${CMAKE_CURRENT_LIST_DIR}/pipeline.c
  ${CMAKE_CURRENT_LIST_DIR}/query.c
  ${CMAKE_CURRENT_LIST_DIR}/radar.c
  ${CMAKE_CURRENT_LIST_DIR}/rebinding.c
  ${CMAKE_CURRENT_LIST_DIR}/recall.c
  ${CMAKE_CURRENT_LIST_DIR}/recompose.c
  ${CMAKE_CURRENT_LIST_DIR}/refresh.c
  ${CMAKE_CURRENT_LIST_DIR}/reply.c
  ${CMAKE_CURRENT_LIST_DIR}/rewrite.c
  ${CMAKE_CURRENT_LIST_DIR}/safe_search.c
  ${CMAKE_CURRENT_LIST_DIR}/tally.c
  ${CMAKE_CURRENT_LIST_DIR}/verdicts.c
  ${CMAKE_CURRENT_LIST_DIR}/way.c
  ${CMAKE_CURRENT_LIST_DIR}/why.c
  ${CMAKE_CURRENT_LIST_DIR}/world.c
  ${SAFE_SEARCH_C})
