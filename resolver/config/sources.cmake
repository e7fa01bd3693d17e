set(SERVICES_C ${CMAKE_BINARY_DIR}/generated/services.c)
add_custom_command(OUTPUT ${SERVICES_C}
  COMMAND ${CMAKE_COMMAND} -DINPUT=${CMAKE_CURRENT_LIST_DIR}/services.yaml -DOUTPUT=${SERVICES_C}
          -P ${CMAKE_CURRENT_LIST_DIR}/services.cmake
  DEPENDS ${CMAKE_CURRENT_LIST_DIR}/services.yaml ${CMAKE_CURRENT_LIST_DIR}/services.cmake)

target_sources(chalkgate-core PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/check.c
  ${CMAKE_CURRENT_LIST_DIR}/doubts.c
  ${CMAKE_CURRENT_LIST_DIR}/faults.c
  ${CMAKE_CURRENT_LIST_DIR}/guard.c
  ${CMAKE_CURRENT_LIST_DIR}/inherit.c
  ${CMAKE_CURRENT_LIST_DIR}/keys.c
  ${CMAKE_CURRENT_LIST_DIR}/load.c
  ${CMAKE_CURRENT_LIST_DIR}/manual.c
  ${CMAKE_CURRENT_LIST_DIR}/print.c
  ${CMAKE_CURRENT_LIST_DIR}/read.c
  ${CMAKE_CURRENT_LIST_DIR}/subscribed.c
  ${CMAKE_CURRENT_LIST_DIR}/target.c
  ${CMAKE_CURRENT_LIST_DIR}/value.c
  ${CMAKE_CURRENT_LIST_DIR}/yaml.c
  ${SERVICES_C})
