#!/bin/bash
# Runs the project's tests: installs what they need, builds, runs, and sums up.
#
#   tests/run.sh              everything
#   tests/run.sh --quick      without what takes more than a few seconds
#   tests/run.sh --only REGEX only tests whose names match
#   tests/run.sh --preset P   another build than `dev`: tsan, release-tests, coverage
#
# The last line counts: "N passed, N failed", and what was skipped. Exit code 0 when nothing failed.
set -u
cd "$(dirname "$0")/.." || exit 1

usage() {
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
    exit "$1"
}

quick='' only='' preset=dev
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=yes ;;
    --only) only=${2:?--only needs a regular expression} && shift ;;
    --preset) preset=${2:?--preset needs a name} && shift ;;
    --help | -h) usage 0 ;;
    *) usage 2 >&2 ;;
    esac
    shift
done

# give_up WHY: nothing could be tested, and that is a failure.
give_up() {
    echo "$1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

# shellcheck source=tools/packages.sh
. tools/packages.sh
install_packages "${run_packages[@]}" "${build_packages[@]}" "${test_packages[@]}" ||
    give_up "What the tests need is not all there."

build=build/$preset
launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
cmake --preset "$preset" "${launcher[@]}" >"/tmp/chalkgate-configure.$$" 2>&1 || {
    cat "/tmp/chalkgate-configure.$$"
    rm -f "/tmp/chalkgate-configure.$$"
    give_up "The build could not be configured; why is above."
}
rm -f "/tmp/chalkgate-configure.$$"
cmake --build --preset "$preset" || give_up "The build failed; why is above."

# Whatever the tests leave behind is found, and removed, here.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/chalkgate-XXXXXX") || give_up "There is no room for temporary files."
export TMPDIR
chmod 1777 "$TMPDIR" # some of what runs there is another user
trap 'rm -rf "$TMPDIR"' EXIT

select=()
[ -n "$quick" ] && select+=(--label-exclude '^slow$')
[ -n "$only" ] && select+=(--tests-regex "$only")
results=$PWD/$build/results.xml
rm -f "$results"
# One more at a time than there are processors: the long tests wait more than they compute.
ctest --test-dir "$build" --parallel $(($(nproc) + 1)) --output-on-failure --no-tests=error --timeout 600 \
    --test-output-size-passed 4000000 --test-output-size-failed 4000000 \
    --output-junit "$results" "${select[@]}" </dev/null
python3 tests/summary.py "$results" "$TMPDIR" ${quick:+--quick}
