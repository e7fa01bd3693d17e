# Libraries, for the tests: forms without sockets, and what brings them to collectors.
find_program(PROTOC_C protoc-c REQUIRED)
set(dnstap_out ${CMAKE_CURRENT_BINARY_DIR}/export)
file(MAKE_DIRECTORY ${dnstap_out})
add_custom_command(
  OUTPUT ${dnstap_out}/dnstap.pb-c.c ${dnstap_out}/dnstap.pb-c.h
  COMMAND ${PROTOC_C} --proto_path=${CMAKE_CURRENT_LIST_DIR} --c_out=${dnstap_out}
          ${CMAKE_CURRENT_LIST_DIR}/dnstap.proto
  DEPENDS ${CMAKE_CURRENT_LIST_DIR}/dnstap.proto)
set_source_files_properties(${dnstap_out}/dnstap.pb-c.c PROPERTIES COMPILE_OPTIONS -w)

add_library(chalkgate-events STATIC
  ${CMAKE_CURRENT_LIST_DIR}/dnstap.c
  ${CMAKE_CURRENT_LIST_DIR}/event.c
  ${CMAKE_CURRENT_LIST_DIR}/line_file.c
  ${CMAKE_CURRENT_LIST_DIR}/places.c
  ${CMAKE_CURRENT_LIST_DIR}/syslog.c
  ${dnstap_out}/dnstap.pb-c.c)
target_include_directories(chalkgate-events SYSTEM PUBLIC ${dnstap_out})
target_link_libraries(chalkgate-events PUBLIC chalkgate-core PkgConfig::JANSSON PkgConfig::PROTOBUFC)

add_library(chalkgate-carriers STATIC
  ${CMAKE_CURRENT_LIST_DIR}/carrier.c
  ${CMAKE_CURRENT_LIST_DIR}/connection.c
  ${CMAKE_CURRENT_LIST_DIR}/sink.c)
target_link_libraries(chalkgate-carriers PUBLIC chalkgate-events chalkgate-tls PkgConfig::FSTRM)

target_link_libraries(chalkgated PRIVATE chalkgate-carriers)
