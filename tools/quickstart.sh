#!/bin/bash
# A working filter on this machine, to look at: builds it, starts it, asks it, and shows what it recorded.
#
#   tools/quickstart.sh          stays until Ctrl-C
#   tools/quickstart.sh --once   stops after showing
#
# PORT is where it answers on 127.0.0.1, 5353 if not set. Nothing outside this folder changes but for the
# Debian packages that are missing; the demonstration's own folder is removed at the end.
set -u
cd "$(dirname "$0")/.." || exit 1

once=''
case ${1-} in
'') ;;
--once) once=yes ;;
--help | -h)
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
    exit 0
    ;;
*)
    echo "quickstart.sh knows no '$1'; there is --once" >&2
    exit 2
    ;;
esac

port=${PORT:-5353}
if ! [[ $port =~ ^[0-9]{1,5}$ ]] || [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
    echo "PORT should be a number from 1 to 65535, and is '$port'." >&2
    exit 2
fi

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }

# show COMMAND...: the command as one would type it, and what it prints.
show() {
    printf '$ %s\n' "${*//$PWD\//}"
    "$@"
}

# shellcheck source=tools/packages.sh
. tools/packages.sh
install_packages "${run_packages[@]}" "${build_packages[@]}" "${demo_packages[@]}" || exit 1

say "Building (build/release)"
quiet=()
[ -t 1 ] || quiet=(-- --quiet)
{ cmake --preset release >/dev/null && cmake --build --preset release "${quiet[@]}"; } || {
    echo "The build failed; why is above." >&2
    exit 1
}
command=build/release/bin/chalkgate
daemon=build/release/bin/chalkgated

demo=$(mktemp -d "${TMPDIR:-/tmp}/chalkgate-demo-XXXXXX") || exit 1
config=$demo/config.yaml
running=''

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    trap - EXIT
    if [ -n "$running" ]; then
        kill "$running" 2>/dev/null
        wait "$running" 2>/dev/null
    fi
    rm -rf "$demo"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The machine's own upstreams; those of the shipped configuration where it has none.
upstreams=$(awk '$1 == "nameserver" && $2 !~ /%/ {printf "%s\"%s\"", n++ ? ", " : "", $2}' /etc/resolv.conf 2>/dev/null)

# The shipped configuration, with loopback addresses as the school: 127.0.0.1 is a pupil's device, 127.0.0.2
# a teacher's. A name of our own has an answer even without the Internet.
awk -v port="$port" -v state="$demo/state" -v upstreams="$upstreams" '
    /^listen:/ { print "listen: [\"127.0.0.1:" port "\"]"; next }
    /^state:/ { print "state: " state; next }
    /^workers:/ { print "workers: 1"; next }
    /^upstreams:/ && upstreams { print "upstreams: [" upstreams "]"; skip = 1; next }
    skip && /^  - / { next }
    { skip = 0 }
    /^  (pupils|staff|guests):/ { group = $1 }
    /^    subnets:/ && group { print "    subnets: [127.0.0." ++device "]"; group = ""; next }
    { print }
    END { print "records:\n  welcome.school.internal: [192.0.2.10]" }
' config.yaml >"$config"
mkdir "$demo/state"
"$daemon" --check --config "$config" || exit 1

say "Compiling the starter lists"
"$command" --config "$config" lists import --reason "a first look" blocklists/starter || exit 1

say "Starting the resolver on 127.0.0.1 port $port"
"$daemon" --config "$config" >"$demo/log" 2>&1 &
running=$!
answering=''
for _ in $(seq 100); do
    kill -0 "$running" 2>/dev/null || break
    # Its own word first: another server may answer on this port.
    if grep -q 'ready:' "$demo/log" && kdig "@127.0.0.1" -p "$port" +timeout=1 +retry=0 +short welcome.school.internal 2>/dev/null | grep -q .; then
        answering=yes
        break
    fi
    sleep 0.1
done
if [ -z "$answering" ]; then
    echo "The resolver did not start. This is what it said:" >&2
    cat "$demo/log" >&2
    exit 1
fi
echo "It answers."

denied=www.$(grep -v '^#' blocklists/starter/gambling/domains | head -n 1)
allowed=www.gov.uk
ask() { show kdig "@127.0.0.1" -p "$port" +edns +timeout=6 +retry=0 +noall +header +answer +opt "$@"; }
answer_of() { kdig "@127.0.0.1" -p "$port" +timeout=6 +retry=0 "$@" 2>/dev/null; }

say "A pupil's device asks for a name on the gambling list: refused"
ask "$denied" | grep -E '^\$|status:|EDE|EXTENDED|[[:space:]]A[[:space:]]'

if answer_of "$allowed" | grep -q 'status: NOERROR'; then
    say "It asks for a name on no list: forwarded to ${upstreams:-the shipped upstreams}, and answered"
else
    allowed=welcome.school.internal
    say "No upstream answers from here, so instead of www.gov.uk a name of the school's own: answered"
fi
ask "$allowed" | grep -E '^\$|status:|[[:space:]](A|CNAME)[[:space:]]'

say "Why was the first refused?"
show "$command" --config "$config" why "$denied" --client 127.0.0.1

say "The denial on record"
show "$command" --config "$config" denials --since -1h || exit 1

say "The report of today"
show "$command" --config "$config" report --day today || exit 1

if [ -n "$once" ]; then
    say "That was all; with your own config.yaml it is your school's. README.md goes on from here."
    exit 0
fi

say "The resolver goes on until you press Ctrl-C"
cat <<EOT
Ask it:         kdig @127.0.0.1 -p $port NAME
As a teacher:   kdig @127.0.0.1 -p $port -b 127.0.0.2 NAME
Look at it:     $command --config $config status
EOT
wait "$running"
code=$?
running=''
echo "The resolver ended by itself (exit code $code). This is what it said:" >&2
cat "$demo/log" >&2
exit 1
