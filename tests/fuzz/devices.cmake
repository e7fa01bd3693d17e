set(fuzz_copies_leases 3000)
set(fuzz_copies_netlink 50000)
chalkgate_fuzz(leases)
chalkgate_fuzz(netlink)
