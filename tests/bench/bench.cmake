# Benchmarks: bench-NAME from bench_NAME.c, for builds without sanitizers. README.md tells how they
# are run; the unit test beside them runs in every build.
add_library(bench-school STATIC ${CMAKE_CURRENT_LIST_DIR}/harness.c ${CMAKE_CURRENT_LIST_DIR}/heap.c
            ${CMAKE_CURRENT_LIST_DIR}/school.c)
target_link_libraries(bench-school PUBLIC chalkgate-core blocklists)
# Between our malloc() and its callers stands nobody who thinks to know what it does.
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/heap.c PROPERTIES COMPILE_OPTIONS
                            "-fno-builtin;-fno-lto")

if(NOT CHALKGATE_SANITIZE AND NOT CHALKGATE_COVERAGE)
  file(GLOB benches CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/bench_*.c)
  foreach(bench ${benches})
    get_filename_component(name ${bench} NAME_WE)
    string(REPLACE "bench_" "" name ${name})
    add_executable(bench-${name} ${bench})
    target_link_libraries(bench-${name} PRIVATE bench-school)
  endforeach()
  target_link_libraries(bench-report PRIVATE chalkgate-verbs)
  add_executable(paced ${CMAKE_CURRENT_LIST_DIR}/paced.c)
  target_link_libraries(paced PRIVATE bench-school)
endif()

chalkgate_unit_test(query-hot-paths unit/query/test_hot_paths.c bench-school)

# The figures are of the release build, which the test makes for itself.
add_test(NAME bench/instructions COMMAND python3 -B ${CMAKE_CURRENT_LIST_DIR}/instructions.py)
set_tests_properties(bench/instructions PROPERTIES LABELS "bench;slow" TIMEOUT 600
                     SKIP_RETURN_CODE 77 RESOURCE_LOCK release-tests)
