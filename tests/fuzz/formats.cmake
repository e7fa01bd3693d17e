chalkgate_fuzz(lists)
