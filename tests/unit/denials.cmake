chalkgate_unit_test(denials-case test_case.c)
chalkgate_unit_test(denials-day test_day.c)
chalkgate_unit_test(denials-journal test_journal.c)
chalkgate_unit_test(denials-writer test_writer.c)

# Not a test: what recording costs, see the file's head.
add_executable(bench-journal EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/bench/bench_journal.c)
target_link_libraries(bench-journal PRIVATE chalkgate-core blocklists)
