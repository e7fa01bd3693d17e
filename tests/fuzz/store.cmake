chalkgate_fuzz(store)
