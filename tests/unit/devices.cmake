chalkgate_unit_test(devices-leases test_leases.c)
chalkgate_unit_test(devices-netlink test_netlink.c)
chalkgate_unit_test(devices-table test_devices.c)
