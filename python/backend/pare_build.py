"""Build backend (PEP 517 and 660) of the Python package: the C library through CMake, then a wheel.

Nothing is downloaded. Wheels of the same sources are the same bytes. Environment:

PARE_WHEEL_BUNDLE=1   pack the shared libraries that libpare.so needs too, except those of glibc, so
                      that the wheel runs on other distributions; tagged manylinux_<glibc>.
PARE_BUILD_LIBRARY    path of a libpare.so to pack instead of building one.
"""

import base64
import hashlib
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "pare"
BUILD = ROOT / "build-wheel"
NAME = "pare"
REQUIRES = ["numpy>=1.21", "scipy>=1.7", "scikit-learn>=1.2"]
EXTRAS = {"plot": ["matplotlib"], "pandas": ["pandas>=1.5"], "torch": ["torch>=1.13"]}
# Part of glibc or of every system: never packed.
SYSTEM = ("libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "ld-linux", "linux-vdso",
          "linux-gate", "libgcc_s.so", "libstdc++.so")
EPOCH = (1980, 1, 1, 0, 0, 0)


def _version():
    text = (ROOT / "CMakeLists.txt").read_text()
    return re.search(r"project\(pare VERSION ([0-9.]+)", text).group(1)


def _metadata():
    lines = ["Metadata-Version: 2.1", f"Name: {NAME}", f"Version: {_version()}",
             "Summary: Choose the subset of features that is worth its cost",
             "Requires-Python: >=3.9"]
    lines += [f"Requires-Dist: {one}" for one in REQUIRES]
    for extra, needs in EXTRAS.items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {one}; extra == '{extra}'" for one in needs]
    readme = ROOT / "README.md"
    lines += ["Description-Content-Type: text/markdown", "",
              readme.read_text() if readme.exists() else ""]
    return "\n".join(lines)


def _run(*command):
    done = subprocess.run([str(c) for c in command], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        raise SystemExit(f"pare: {' '.join(map(str, command))} failed; the library needs cmake, a "
                         "C compiler, pkg-config, libopenblas-dev, zlib1g-dev and libjansson-dev")


def _library(bundle):
    """Path of a freshly built libpare.so."""
    if os.environ.get("PARE_BUILD_LIBRARY"):
        return Path(os.environ["PARE_BUILD_LIBRARY"])
    rpath = "-Wl,--disable-new-dtags,-rpath,'$ORIGIN/libs'" if bundle else ""
    generator = ["-G", "Ninja"] if _has("ninja") else []
    _run("cmake", "-S", ROOT, "-B", BUILD, *generator, "-DCMAKE_BUILD_TYPE=Release",
         "-DPARE_TESTS=OFF", "-DPARE_BENCH=OFF", "-DPARE_WERROR=OFF",
         f"-DCMAKE_SHARED_LINKER_FLAGS={rpath}")
    _run("cmake", "--build", BUILD, "--target", "pare", "--parallel", os.cpu_count() or 1)
    return BUILD / "libpare.so"


def _has(program):
    from shutil import which
    return which(program) is not None


def _needed(library):
    """{name: path} of the shared libraries that libpare.so needs and not every system has."""
    text = subprocess.run(["ldd", str(library)], capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"^\s*(\S+) => (/\S+)", text, re.M))
    return {name: path for name, path in sorted(found.items()) if not name.startswith(SYSTEM)}


def _platform_tag(bundle):
    tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    kind, version = platform.libc_ver()
    if bundle and kind == "glibc" and tag.startswith("linux_"):
        tag = f"manylinux_{version.replace('.', '_')}_{tag[6:]}"
    return f"py3-none-{tag}"


class _Wheel:
    """A wheel being written; closes with its RECORD."""

    def __init__(self, folder, tag):
        self.name = f"{NAME}-{_version()}-{tag}.whl"
        self.info = f"{NAME}-{_version()}.dist-info"
        self.tag = tag
        self.zip = zipfile.ZipFile(Path(folder) / self.name, "w", zipfile.ZIP_DEFLATED)
        self.rows = []

    def add(self, name, data):
        data = data if isinstance(data, bytes) else data.encode()
        entry = zipfile.ZipInfo(name, EPOCH)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (0o100755 if ".so" in name else 0o100644) << 16
        self.zip.writestr(entry, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.rows.append(f"{name},sha256={digest},{len(data)}")

    def close(self):
        self.add(f"{self.info}/METADATA", _metadata())
        self.add(f"{self.info}/WHEEL", "Wheel-Version: 1.0\nGenerator: pare_build\n"
                                       f"Root-Is-Purelib: false\nTag: {self.tag}\n")
        record = "\n".join([*self.rows, f"{self.info}/RECORD,,", ""])
        self.zip.writestr(zipfile.ZipInfo(f"{self.info}/RECORD", EPOCH), record)
        self.zip.close()
        return self.name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    bundle = os.environ.get("PARE_WHEEL_BUNDLE") == "1"
    library = _library(bundle)
    wheel = _Wheel(wheel_directory, _platform_tag(bundle))
    for path in sorted(PACKAGE.rglob("*.py")):
        wheel.add(f"{NAME}/{path.relative_to(PACKAGE).as_posix()}", path.read_bytes())
    wheel.add(f"{NAME}/libpare.so", library.read_bytes())
    if bundle:
        for name, path in _needed(library).items():
            wheel.add(f"{NAME}/libs/{name}", Path(path).read_bytes())
    return wheel.close()


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """The source tree itself, with the library of its folder build/."""
    _run("cmake", "--preset", "release")
    _run("cmake", "--build", ROOT / "build", "--target", "pare")
    wheel = _Wheel(wheel_directory, _platform_tag(False))
    wheel.add(f"{NAME}.pth", f"{ROOT / 'python'}\n")
    return wheel.close()


def build_sdist(sdist_directory, config_settings=None):
    base = f"{NAME}-{_version()}"
    name = f"{base}.tar.gz"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
                           ).stdout.decode().split("\0")
    with tarfile.open(Path(sdist_directory) / name, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo(f"{base}/PKG-INFO")
        data = _metadata().encode()
        info.size = len(data)
        import io
        tar.addfile(info, io.BytesIO(data))
        for one in filter(None, files):
            if (ROOT / one).exists():
                tar.add(ROOT / one, f"{base}/{one}", recursive=False)
    return name


def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_editable = get_requires_for_build_sdist = get_requires_for_build_wheel
