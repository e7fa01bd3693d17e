chalkgate_unit_test(export-event test_event.c chalkgate-events PkgConfig::JANSSON)
