target_sources(chalkgate-core PRIVATE)
