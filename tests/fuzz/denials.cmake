chalkgate_fuzz(journal)
