set(fuzz_copies_zone 20000)
chalkgate_fuzz(zone)
