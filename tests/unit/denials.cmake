chalkgate_unit_test(denials-alert test_alert.c PkgConfig::JANSSON)
chalkgate_unit_test(denials-case test_case.c)
chalkgate_unit_test(denials-day test_day.c)
chalkgate_unit_test(denials-feed test_feed.c)
chalkgate_unit_test(denials-dictionary test_dictionary.c PkgConfig::LMDB)
chalkgate_unit_test(denials-journal test_journal.c)
chalkgate_unit_test(denials-retention test_retention.c)
chalkgate_unit_test(denials-writer test_writer.c)

# A made month of school traffic, for tests of reports and for looking at them.
add_library(school-month STATIC ${PROJECT_SOURCE_DIR}/tests/support/school_month.c)
target_link_libraries(school-month PUBLIC chalkgate-core blocklists)
add_executable(make-month EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/support/make_month.c)
target_link_libraries(make-month PRIVATE school-month)
