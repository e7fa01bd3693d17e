chalkgate_fuzz(event chalkgate-events)
