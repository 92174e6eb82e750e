#!/bin/sh
# Sets up, builds, and does the main job on the bundled data: the columns of the mice protein table
# that a small network needs to tell eight classes of mice apart, judged on mice it has not seen.
# Arguments go on to `pare select`, where the last one given of an option counts: ./run.sh -k 20
set -eu
cd "$(dirname "$0")"
. scripts/setup.sh
need_build_packages
install_missing

if ! [ -e build/build.ninja ]; then
    quietly cmake --preset release -DPARE_TESTS=OFF -DPARE_BENCH=OFF -DPARE_WERROR=OFF
fi
echo "building" >&2
quietly ninja -C build pare_cli

build/bin/pare select examples/data/mice_protein.csv.gz --target class -k 10 \
    --split-by mouse_block --validation 0.25 --ignore Genotype,Treatment,Behavior \
    --out selection.json --report report.html "$@"
