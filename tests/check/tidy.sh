#!/bin/bash
# clang-tidy over the project's own code, as .clang-tidy says. Argument: the build folder with
# compile_commands.json. The tests' own code is left out: tables and scripts may be long.
set -u
build=${1:?the build folder}
cd "$(dirname "$0")/../.." || exit 1
if ! command -v clang-tidy >/dev/null; then
    echo "SKIP: clang-tidy is not installed"
    exit 77
fi
mapfile -t sources < <(git ls-files 'blocklists/*.c' 'resolver/*.c' 'tools/*.c')
if [ ${#sources[@]} -eq 0 ]; then
    echo "no source was found: is this a clone?"
    exit 1
fi
# What GCC alone knows (CMakeLists.txt) would be an error to clang-tidy.
database=$(mktemp -d)
trap 'rm -r "$database"' EXIT
sed 's/ -mmem[a-z]*-strategy=[^ ]*//g' "$build/compile_commands.json" >"$database/compile_commands.json"
# -w: the compiler's warnings are the build's business, and errors there.
found=$(printf '%s\0' "${sources[@]}" |
    xargs -0 -n 4 -P "$(nproc)" clang-tidy --quiet -p "$database" --extra-arg=-w 2>&1)
status=$?
printf '%s\n' "$found" | grep -v -e ' warnings\? generated' -e ' warnings\? treated as' -e '^$'
echo "${#sources[@]} files"
exit $((status != 0))
