#!/bin/sh
# Sets up, builds with warnings as errors, checks the rules of the house and runs the fast tests.
# --full: the slow tests too, and the fast ones under the address, undefined-behaviour and thread
# sanitizers. The last line is ctest's.
set -eu
cd "$(dirname "$0")"
. scripts/setup.sh

full=no
case "${1:-}" in
"") ;;
--full) full=yes ;;
*)
    echo "check.sh: there is no argument $1; there is --full" >&2
    exit 2
    ;;
esac

need_build_packages
need libcmocka-dev pkg-config --exists cmocka
need libpcre2-dev pkg-config --exists libpcre2-8
need libhdf5-dev pkg-config --exists hdf5-serial
need libhts-dev pkg-config --exists htslib
need clang-format command -v clang-format
install_missing

scripts/layers.sh
scripts/format.sh --check

jobs=$(nproc)

build() { # build PRESET FOLDER
    quietly cmake --preset "$1" -DPARE_TESTS=ON -DPARE_BENCH=ON -DPARE_WERROR=ON
    echo "building $2"
    quietly ninja -C "$2"
}

if [ $full = yes ]; then
    # Tests ask for impossible sizes on purpose; the sanitizers' allocators must answer, not abort.
    export ASAN_OPTIONS=allocator_may_return_null=1 TSAN_OPTIONS=allocator_may_return_null=1
    for preset in asan tsan; do
        build $preset build-$preset
        ctest --test-dir build-$preset -L fast -j "$jobs" --output-on-failure --no-tests=error
    done
fi
build release build
if [ $full = yes ]; then
    ctest --test-dir build -j "$jobs" --output-on-failure --no-tests=error
else
    ctest --test-dir build -L fast -j "$jobs" --output-on-failure --no-tests=error
fi
