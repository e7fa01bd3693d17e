target_sources(chalkgated PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/alert_runner.c
  ${CMAKE_CURRENT_LIST_DIR}/caller.c
  ${CMAKE_CURRENT_LIST_DIR}/confine.c
  ${CMAKE_CURRENT_LIST_DIR}/control.c
  ${CMAKE_CURRENT_LIST_DIR}/daemon.c
  ${CMAKE_CURRENT_LIST_DIR}/metrics.c
  ${CMAKE_CURRENT_LIST_DIR}/notify.c
  ${CMAKE_CURRENT_LIST_DIR}/privileges.c
  ${CMAKE_CURRENT_LIST_DIR}/rules.c
  ${CMAKE_CURRENT_LIST_DIR}/selftest.c
  ${CMAKE_CURRENT_LIST_DIR}/status.c
  ${CMAKE_CURRENT_LIST_DIR}/upkeep.c
  ${CMAKE_CURRENT_LIST_DIR}/verbs.c
  ${CMAKE_CURRENT_LIST_DIR}/verbs_basic.c
  ${CMAKE_CURRENT_LIST_DIR}/verbs_evidence.c
  ${CMAKE_CURRENT_LIST_DIR}/verbs_policy.c
  ${CMAKE_CURRENT_LIST_DIR}/verbs_selftest.c)
