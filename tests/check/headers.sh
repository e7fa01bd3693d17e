#!/bin/bash
# Every header compiles alone, and twice.
set -u
cd "$(dirname "$0")/../.." || exit 1
cc=${CC:-cc}
flags=(-std=c11 -D_GNU_SOURCE -DCHALKGATE_VERSION='"0"' -I. -Wall -Wextra -Werror -fsyntax-only -x c)

header_check() {
    if ! printf '#include "%s"\n#include "%s"\nextern int not_empty;\n' "$1" "$1" |
        "$cc" "${flags[@]}" -; then
        echo "$1 does not compile alone"
        return 1
    fi
}

failed=0 count=0
while IFS= read -r header; do
    header_check "$header" || failed=$((failed + 1))
    count=$((count + 1))
done < <(git ls-files --cached --others --exclude-standard '*.h' 2>/dev/null | sort -u |
    while IFS= read -r path; do [ -f "$path" ] && echo "$path"; done)
if [ "$count" -eq 0 ]; then
    echo "no header was found: is this a clone?"
    exit 1
fi
echo "$count headers, $failed of them do not compile alone"
[ "$failed" -eq 0 ]
