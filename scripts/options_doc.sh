#!/bin/sh
# Writes docs/options.md from the options table, by way of the program.
# options_doc.sh [--check] [PROGRAM]; --check: fails with the differences instead.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
check=no
if [ "${1:-}" = --check ]; then
    check=yes
    shift
fi
program=${1:-$root/build/bin/pare}
if [ $check = yes ]; then
    if ! "$program" options | diff "$root/docs/options.md" -; then
        echo "docs/options.md is not what the options table says: run make docs"
        exit 1
    fi
else
    "$program" options > "$root/docs/options.md.new"
    mv "$root/docs/options.md.new" "$root/docs/options.md"
fi
