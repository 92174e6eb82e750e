# shellcheck shell=sh
# Read by run.sh and check.sh: finds out which Debian packages are missing and installs them where
# that is possible. Needs no network when nothing is missing.

missing=""

# need PACKAGE COMMAND...: PACKAGE is missing unless COMMAND succeeds.
need() {
    package=$1
    shift
    if ! "$@" > /dev/null 2>&1; then
        missing="$missing $package"
    fi
}

need_build_packages() {
    need build-essential sh -c 'command -v cc && test -e /usr/include/stdio.h'
    need cmake command -v cmake
    need ninja-build command -v ninja
    need pkg-config command -v pkg-config
    need libopenblas-dev pkg-config --exists openblas
    need zlib1g-dev pkg-config --exists zlib
    need libjansson-dev pkg-config --exists jansson
}

# Installs what `need` found missing, or says in one sentence what to install and ends the script.
install_missing() {
    [ -z "$missing" ] && return
    missing=${missing# }
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        as_root=sudo
        if ! command -v sudo > /dev/null || { [ ! -t 0 ] && ! sudo -n true 2> /dev/null; }; then
            as_root=none
        fi
    fi
    if [ "$as_root" != none ] && command -v apt-get > /dev/null; then
        echo "installing $missing"
        # shellcheck disable=SC2086 # several packages, and an empty $as_root
        if $as_root apt-get update -qq &&
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
                --no-install-recommends $missing > /dev/null; then
            return
        fi
    fi
    echo "Please install these Debian packages (or what your system calls them), then try again: $missing" >&2
    exit 1
}

# Runs a command and shows what it printed only if it failed.
quietly() {
    log=$(mktemp)
    if ! "$@" > "$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "failed: $*" >&2
        exit 1
    fi
    rm -f "$log"
}
