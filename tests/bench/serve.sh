#!/bin/sh
# Becomes the release resolver with one list, for measuring it beside others.
#
#   serve.sh LIST PORT UPSTREAM THREADS FOLDER
#
# Compiles LIST (one name a line) as category `bench` into FOLDER/state, then is the resolver on
# 127.0.0.1:PORT with THREADS workers, forwarding to 127.0.0.1:UPSTREAM, every denial recorded. All load comes
# from one address and documentation addresses are ordinary here, so limits per client and the refusal of
# such addresses in answers are lifted. The list is compiled again only when it has changed.
set -eu
if [ $# -ne 5 ]; then
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
fi
list=$1 port=$2 upstream=$3 threads=$4 folder=$5
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/build/release
mkdir -p "$folder"

if [ ! -x "$build/bin/chalkgated" ] || [ ! -x "$build/bin/chalkgate" ]; then
    (cd "$root" && cmake --preset release && cmake --build --preset release) >"$folder/build.log" 2>&1 || {
        cat "$folder/build.log" >&2
        exit 1
    }
fi

cat >"$folder/config.yaml" <<EOF
listen: ["127.0.0.1:$port"]
workers: $threads
state: $folder/state
user: root
upstreams:
  - address: "127.0.0.1:$upstream"
categories:
  bench: {title: Names of the benchmark, severity: low}
limits: {answers-per-second: 0, in-flight-share: 0}
groups:
  bench: {subnets: [127.0.0.0/8], deny: [bench]}
EOF

stamp=$(stat -c '%s %Y %n' "$list")
if [ "$(cat "$folder/stamp" 2>/dev/null || true)" != "$stamp" ]; then
    "$build/bin/chalkgate" --config "$folder/config.yaml" lists import --category bench --allow-shrink \
        --reason "benchmark" "$list" >"$folder/import.log" 2>&1 || {
        cat "$folder/import.log" >&2
        exit 1
    }
    printf '%s\n' "$stamp" >"$folder/stamp"
fi
exec "$build/bin/chalkgated" --config "$folder/config.yaml"
