chalkgate_unit_test(export-event test_event.c chalkgate-events PkgConfig::JANSSON)
chalkgate_unit_test(export-carrier test_carrier.c chalkgate-carriers)
chalkgate_unit_test(export-connection test_connection.c chalkgate-carriers -Wl,--wrap=recv)
