#!/bin/sh
# Writes what the options table and the commands say about themselves: docs/options.md and the
# help texts in tests/data. options_doc.sh [--check] [PROGRAM]; --check: fails with the differences.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
check=no
if [ "${1:-}" = --check ]; then
    check=yes
    shift
fi
program=${1:-$root/build/bin/pare}

page() { # page FILE ARGUMENT...: FILE is what the program prints
    file=$root/$1
    shift
    text=$("$program" "$@")
    if [ $check = no ]; then
        printf '%s\n' "$text" > "$file"
    elif ! printf '%s\n' "$text" | diff "$file" -; then
        echo "$file is not what 'pare $*' prints: run make docs"
        exit 1
    fi
}

page docs/options.md options
page tests/data/help.txt --help
page tests/data/help_select.txt select --help
page tests/data/help_apply.txt apply --help
page tests/data/help_certify.txt certify --help
page tests/data/help_compare.txt compare --help
