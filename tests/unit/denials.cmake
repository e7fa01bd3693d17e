chalkgate_unit_test(denials-case test_case.c)
chalkgate_unit_test(denials-day test_day.c)
chalkgate_unit_test(denials-journal test_journal.c)
chalkgate_unit_test(denials-writer test_writer.c)
