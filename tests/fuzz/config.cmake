chalkgate_fuzz(config)
