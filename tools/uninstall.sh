#!/bin/bash
# Removes the Chalkgate that `cmake --install` put here: it stops its units and deletes its files. Your
# configuration, your lists and the records stay; at the end it says where they are.
#
# `cmake --install` writes the list of files into the copy in share/chalkgate; this one is its pattern.
set -eu

case ${1-} in
'') ;;
*)
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
    exit 2
    ;;
esac

files() {
    cat <<'EOT'
@FILES@
EOT
}

if files | grep -q '^@'; then
    echo "Nothing was installed from here; the installed uninstall.sh is in share/chalkgate below the prefix." >&2
    exit 1
fi

if [ -d /run/systemd/system ]; then
    systemctl disable --now chalkgated.service chalkgate-{lists-update,report,selftest}.timer || true
fi
files | while IFS= read -r path; do
    rm -f -- "$path"
    # Folders that were ours alone are empty now.
    folder=$(dirname -- "$path")
    while case $folder in */chalkgate | */chalkgate/*) rmdir -- "$folder" 2>/dev/null ;; *) false ;; esac; do
        folder=$(dirname -- "$folder")
    done
done
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
cat <<'EOT'
Chalkgate is removed. What is yours is still there:
    @CONFIGURATION@/config.yaml   the configuration
    /var/lib/chalkgate            lists, policy, change log and records, unless `state` named another folder
The records may have to be kept for some years, or to be destroyed; `userdel chalkgate` removes the user.
EOT
