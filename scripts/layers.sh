#!/bin/sh
# Checks who includes whom (ARCHITECTURE.md), that system headers stay in their places, and that
# files stay small. Prints each offence; fails if there is one.
set -eu
cd "$(dirname "$0")/.."

# folder: the folders of src/ it may include, itself among them.
allowed() {
    case $1 in
    base) echo base ;;
    platform) echo base platform ;;
    kernels) echo base platform kernels ;;
    tensor) echo base platform kernels tensor ;;
    data) echo base platform kernels tensor data ;;
    nn) echo base platform kernels tensor nn ;;
    model) echo base platform kernels tensor data nn model ;;
    select) echo base platform kernels select ;;
    problem) echo base platform kernels tensor data nn model select problem ;;
    report) echo base platform kernels tensor data nn model select problem report ;;
    api) echo base platform kernels tensor data nn model select problem report api ;;
    *) echo unknown ;;
    esac
}

offences=$(
    for folder in src/*/; do
        folder=$(basename "$folder")
        rule=$(allowed "$folder")
        if [ "$rule" = unknown ]; then
            echo "src/$folder: a folder without a rule in scripts/layers.sh"
            continue
        fi
        pattern=$(echo "$rule" | tr ' ' '|')
        # Every own header is named by its folder, the public one by pare/pare.h.
        grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "src/$folder" |
            grep -vE "\"(pare/pare\.h|($pattern)/[^\"/]+(/[^\"/]+)?)\"" |
            sed 's/$/ (not a folder this one may include)/' || true
    done
    if [ -d cli ]; then
        grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' cli |
            grep -vE '"(pare/pare\.h|[^"/]+\.h)"' |
            sed 's/$/ (cli includes pare\/pare.h and its own headers only)/' || true
    fi
    grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' include |
        grep -vE '<(stdbool|stddef|stdint)\.h>|"pare/(pare|language|biology)\.h"' |
        sed 's/$/ (the public headers need standard headers and each other only)/' || true
    # What is not C17 lives in src/platform and cli/system.c.
    grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*<(sys/[a-z]+|unistd|pthread|signal|fcntl|dirent|poll|sched|dlfcn|termios|strings)\.h>' \
        src cli --include='*.[ch]' |
        grep -vE '^(src/platform/|cli/system\.c:)' |
        sed 's/$/ (system headers belong in src\/platform or cli\/system.c)/' || true
    find src cli include tests bench -name '*.[ch]' -exec wc -l {} + |
        awk '$2 != "total" && $1 > 600 {print $2 ": " $1 " lines, at most 600 are allowed"}'
)
if [ -n "$offences" ]; then
    echo "$offences"
    exit 1
fi
