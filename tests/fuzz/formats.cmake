chalkgate_fuzz(lists)
chalkgate_fuzz(source)
