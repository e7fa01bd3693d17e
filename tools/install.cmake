# What `cmake --install` does beside copying the programs: the root CMakeLists.txt has it run last.
#
# The prefix is known only now, and DESTDIR may stand before it, so paths inside units and pages are written
# here. /usr, /usr/local and / share the machine's /etc; any other prefix keeps its own etc/ below it.
# A config.yaml that is there already is the school's: it is never written to.
set(prefix "${CMAKE_INSTALL_PREFIX}")
if(prefix STREQUAL "/")
  set(prefix "")
endif()
if(prefix STREQUAL "" OR prefix STREQUAL "/usr" OR prefix STREQUAL "/usr/local")
  set(configuration /etc/chalkgate)
  set(found_by_systemd TRUE)
else()
  set(configuration "${prefix}/etc/chalkgate")
  set(found_by_systemd FALSE)
endif()
set(data "${prefix}/share/chalkgate")
set(documents "${prefix}/share/doc/chalkgate")
set(units "${prefix}/lib/systemd/system")
set(source "${CMAKE_CURRENT_LIST_DIR}/..")

execute_process(COMMAND mktemp -d OUTPUT_VARIABLE stage OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

# place(FILE... DESTINATION FOLDER): copies with the paths of this installation.
function(place)
  cmake_parse_arguments(PARSE_ARGV 0 to "" "DESTINATION" "")
  foreach(path ${to_UNPARSED_ARGUMENTS})
    get_filename_component(name "${path}" NAME)
    file(READ "${path}" text)
    string(REPLACE "/usr/sbin/chalkgated" "${prefix}/sbin/chalkgated" text "${text}")
    string(REPLACE "/usr/bin/chalkgate" "${prefix}/bin/chalkgate" text "${text}")
    string(REPLACE "/etc/chalkgate/" "${configuration}/" text "${text}")
    file(WRITE "${stage}/${name}" "${text}")
    file(INSTALL "${stage}/${name}" DESTINATION "${to_DESTINATION}")
  endforeach()
  set(CMAKE_INSTALL_MANIFEST_FILES "${CMAKE_INSTALL_MANIFEST_FILES}" PARENT_SCOPE)
endfunction()

file(GLOB unit_files "${source}/tools/systemd/*.service" "${source}/tools/systemd/*.timer")
place(${unit_files} DESTINATION "${units}")
file(INSTALL "${source}/tools/systemd/sysusers.conf" DESTINATION "${prefix}/lib/sysusers.d" RENAME chalkgate.conf)
file(INSTALL "${source}/tools/systemd/tmpfiles.conf" DESTINATION "${prefix}/lib/tmpfiles.d" RENAME chalkgate.conf)

# Manual pages come from what the programs say with --help. Not in the build folder, which often belongs to
# somebody else than the root who installs.
execute_process(COMMAND "${source}/tools/manual.sh" "${programs}" "${stage}/man" "${version}" RESULT_VARIABLE failed)
if(failed)
  file(REMOVE_RECURSE "${stage}")
  message(FATAL_ERROR "The manual pages could not be made from the programs in ${programs}; are they built?")
endif()
file(GLOB pages "${stage}/man/*.8")
file(INSTALL ${pages} DESTINATION "${prefix}/share/man/man8")
file(GLOB pages "${stage}/man/*.5")
file(INSTALL ${pages} DESTINATION "${prefix}/share/man/man5")

file(INSTALL "${source}/blocklists/starter" "${source}/blocklists/catalogue" "${source}/resolver/config/services.yaml"
  DESTINATION "${data}")
file(INSTALL "${source}/README.md" "${source}/SECURITY.md" "${source}/LICENSE" "${source}/config.yaml"
  DESTINATION "${documents}")

set(kept "$ENV{DESTDIR}${configuration}/config.yaml")
set(manifest "${CMAKE_INSTALL_MANIFEST_FILES}") # all but the configuration, which outlives the programs
if(EXISTS "${kept}" OR IS_SYMLINK "${kept}")
  file(SHA256 "${source}/config.yaml" shipped_hash)
  set(kept_hash "")
  if(EXISTS "${kept}")
    file(SHA256 "${kept}" kept_hash)
  endif()
  if(kept_hash STREQUAL shipped_hash)
    message(STATUS "${configuration}/config.yaml is the shipped one already")
  else()
    message(STATUS "Your ${configuration}/config.yaml was left as it is; to compare, the one shipped with this version "
      "is ${documents}/config.yaml")
  endif()
else()
  file(INSTALL "${source}/config.yaml" DESTINATION "${configuration}")
endif()

# The way back, which needs neither this folder nor the build's.
list(JOIN manifest "\n" removed)
file(READ "${source}/tools/uninstall.sh" text)
string(REPLACE "@FILES@" "${removed}\n${data}/uninstall.sh" text "${text}")
string(REPLACE "@CONFIGURATION@" "${configuration}" text "${text}")
file(WRITE "${stage}/uninstall.sh" "${text}")
file(INSTALL "${stage}/uninstall.sh" DESTINATION "${data}"
  PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
file(REMOVE_RECURSE "${stage}")

if("$ENV{DESTDIR}" STREQUAL "")
  if(found_by_systemd)
    message(STATUS "Next, as root:  systemd-sysusers; systemd-tmpfiles --create chalkgate.conf; systemctl daemon-reload")
  else()
    message(STATUS "systemd does not look below ${prefix}: `systemctl link ${units}/*.service ${units}/*.timer` tells it. "
      "The user and the folder are made by `systemd-sysusers ${prefix}/lib/sysusers.d/chalkgate.conf` and "
      "`systemd-tmpfiles --create ${prefix}/lib/tmpfiles.d/chalkgate.conf`")
  endif()
  message(STATUS "To remove it again: ${data}/uninstall.sh")
endif()
