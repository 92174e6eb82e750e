#!/bin/sh
# Writes tests/symbols.txt, the symbols the shared library exports.
# symbols.sh [--check] [LIBRARY [ARCHIVE]]; --check: fails with the differences instead, and if the
# static library defines an external symbol that does not begin with pare_.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
check=no
if [ "${1:-}" = --check ]; then
    check=yes
    shift
fi
library=${1:-$root/build/libpare.so}
archive=${2:-$root/build/libpare_static.a}

# Sanitizers add names that begin with an underscore.
exported() {
    nm -D --defined-only "$library" | awk '$3 !~ /^_/ {print $3}' | LC_ALL=C sort
}

if [ $check = no ]; then
    exported > "$root/tests/symbols.txt"
    exit 0
fi
if ! exported | diff "$root/tests/symbols.txt" -; then
    echo "the exported symbols changed: if that is meant, run make symbols"
    exit 1
fi
foreign=$(nm -g --defined-only "$archive" 2> /dev/null | awk 'NF == 3 && $3 !~ /^(pare_|_)/ {print $3}')
if [ -n "$foreign" ]; then
    echo "external symbols that do not begin with pare_: $foreign"
    exit 1
fi
