#!/bin/sh
# Builds dist/pare-*.whl with the shared libraries it needs inside (all but glibc's), so that it
# runs on any distribution whose glibc is as new as this machine's. The library chooses its kernels
# at run time, so the wheel does not depend on this machine's processor. Needs no network.
# The wheel is then installed into a fresh folder and tried.
set -eu
cd "$(dirname "$0")/.."
. scripts/setup.sh
need_build_packages
need python3-pip /usr/bin/python3 -m pip --version
need python3-numpy /usr/bin/python3 -c 'import numpy'
need python3-sklearn /usr/bin/python3 -c 'import sklearn'
install_missing

if grep -rnE -- '-m(arch|tune|cpu)=native' CMakeLists.txt CMakePresets.json tests/CMakeLists.txt; then
    echo "wheel.sh: the wheel must not depend on this machine's processor" >&2
    exit 1
fi
PARE_WHEEL_BUNDLE=1 /usr/bin/python3 -m pip wheel . --no-deps --no-index -q -w dist

wheel=$(ls -t dist/pare-*.whl | head -n 1)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
/usr/bin/python3 -m pip install -q --no-deps --no-index --target "$folder" "$wheel"
cd "$folder"
env -u PARE_LIBRARY PYTHONPATH="$folder" /usr/bin/python3 -c '
import numpy, pare
assert pare.__file__.startswith("'"$folder"'")
x = numpy.random.default_rng(0).standard_normal((50, 5)).astype("float32")
assert pare.OMPSelector(1).fit(x, x[:, 3]).selected_[0] == 3
'
cd - > /dev/null
echo "$wheel"
