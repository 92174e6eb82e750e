#!/bin/sh
# Formats all C sources in place; --check: only says which ones are not as .clang-format wants them.
# The rules are those of clang-format 14; another version lays some lines out otherwise, so then the
# check is skipped.
set -eu
cd "$(dirname "$0")/.."
tool=clang-format-14
command -v $tool > /dev/null || tool=clang-format
if ! $tool --version 2> /dev/null | grep -q 'version 14\.'; then
    echo "format: skipped, clang-format 14 is not installed"
    exit 0
fi
sources() {
    find include src cli tests bench -name '*.[ch]' -print0 | sort -z
}
if [ "${1:-}" != --check ]; then
    sources | xargs -0 $tool -i
    exit 0
fi
wrong=$(sources | xargs -0 $tool --dry-run 2>&1 | sed -n 's/^\([^:]*\):[0-9]*:.*clang-formatted.*/\1/p' | uniq)
if [ -n "$wrong" ]; then
    echo "not laid out as .clang-format wants, run make format:"
    echo "$wrong"
    exit 1
fi
