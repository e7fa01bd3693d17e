chalkgate_unit_test(blocklists-read blocklists/test_read.c)
chalkgate_unit_test(blocklists-source blocklists/test_source.c)
chalkgate_unit_test(blocklists-formats blocklists/test_formats.c)
chalkgate_unit_test(blocklists-source-archive blocklists/test_source_archive.c PkgConfig::ARCHIVE)
