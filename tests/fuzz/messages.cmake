# A microsecond or two each: many.
set(fuzz_copies_question 100000)
set(fuzz_copies_reply 100000)
set(fuzz_copies_recompose 10000)
set(fuzz_copies_pipeline 1000)
chalkgate_fuzz(question PkgConfig::LDNS)
chalkgate_fuzz(reply PkgConfig::LDNS)
chalkgate_fuzz(pipeline chalkgate-school PkgConfig::LDNS)
chalkgate_fuzz(recompose)
