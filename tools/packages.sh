# shellcheck shell=bash
# The Debian packages that the project needs, in one place; each has its reason in CONTRIBUTING.md.
# shellcheck disable=SC2034 # the lists are for those who source this
# Source this, then: install_packages "${run_packages[@]}" "${build_packages[@]}"

# To run what was built; the shared libraries come with build_packages.
run_packages=(ca-certificates publicsuffix tzdata)

# For the look around of quickstart.sh.
demo_packages=(knot-dnsutils)

build_packages=(
    gcc libc6-dev cmake ninja-build pkg-config
    libuv1-dev liblmdb-dev libldns-dev libyaml-dev
    libidn2-dev libpsl-dev libssl-dev
    libcurl4-openssl-dev libarchive-dev libjansson-dev
    libcap-dev libseccomp-dev
    libfstrm-dev libprotobuf-c-dev protobuf-c-compiler
)

test_packages=(
    libcmocka-dev python3 clang clang-format clang-tidy shellcheck git
    fstrm-bin knot-dnsutils bind9-dnsutils ldnsutils dnsperf unbound knot
    dnsmasq-base udhcpc isc-dhcp-client iproute2 procps util-linux
    openssl faketime strace sudo zip xz-utils zstd bzip2 libcap2-bin valgrind
    chromium
)

bench_packages=(
    dnsdist knot-resolver pdns-recursor bind9 unbound dnsmasq-base flamethrower valgrind python3
)

# install_packages NAME...: installs those that are missing. Asks nothing, reads nothing.
install_packages() {
    local name missing=() as_root=()
    for name in "$@"; do
        if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
            missing+=("$name")
        fi
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if ! command -v apt-get >/dev/null; then
        echo "These packages are missing, and this is no Debian that could fetch them: ${missing[*]}" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            echo "These packages are missing; please install them as root, then start this again:" >&2
            echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo -n)
    fi
    echo "Installing ${missing[*]}" >&2
    if ! apt_get "${as_root[@]}" install "${missing[@]}" && {
        ! apt_get "${as_root[@]}" update || ! apt_get "${as_root[@]}" install "${missing[@]}"; }; then
        echo "The packages could not be installed; what apt-get said is above." >&2
        return 1
    fi
}

# apt_get [sudo -n] VERB ARGUMENT...; servers that packages bring along are not to start.
apt_get() {
    local as_root=()
    while [ "$1" = sudo ] || [ "$1" = -n ]; do
        as_root+=("$1")
        shift
    done
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}
