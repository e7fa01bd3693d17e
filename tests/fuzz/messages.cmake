chalkgate_fuzz(question PkgConfig::LDNS)
chalkgate_fuzz(reply PkgConfig::LDNS)
