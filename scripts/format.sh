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
find include src cli tests bench -name '*.[ch]' -print0 | sort -z | if [ "${1:-}" = --check ]; then
    xargs -0 $tool --dry-run -Werror
else
    xargs -0 $tool -i
fi
