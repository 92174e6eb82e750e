"""The wheel: complete, the same bytes twice, and usable from a folder of its own."""

import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

import pare
from pare import _library
from support import ROOT, Case

sys.path.insert(0, str(ROOT / "python" / "backend"))
import pare_build  # noqa: E402


class Package(Case):
    def test_wheel(self):
        library = getattr(_library.library, "_name")
        os.environ["PARE_BUILD_LIBRARY"] = library
        self.addCleanup(os.environ.pop, "PARE_BUILD_LIBRARY")
        with tempfile.TemporaryDirectory() as folder:
            name = pare_build.build_wheel(folder)
            first = (Path(folder) / name).read_bytes()
            self.assertEqual(pare_build.build_wheel(folder), name)
            self.assertEqual((Path(folder) / name).read_bytes(), first)
            with zipfile.ZipFile(Path(folder) / name) as wheel:
                names = set(wheel.namelist())
                metadata = wheel.read(f"pare-{pare.__version__}.dist-info/METADATA").decode()
                wheel.extractall(folder)
            for path in (ROOT / "python" / "pare").glob("*.py"):
                self.assertIn(f"pare/{path.name}", names)
            self.assertIn("Requires-Dist: scikit-learn", metadata)
            environment = {k: v for k, v in os.environ.items() if k != "PARE_LIBRARY"}
            code = "import pare; print(pare.info()['version'])"
            out = subprocess.run([sys.executable, "-c", code], cwd=folder, check=True,
                                 env={**environment, "PYTHONPATH": folder},
                                 capture_output=True, text=True).stdout
            self.assertEqual(out.strip(), pare.__version__)

    def test_names_where_it_looked(self):
        out = subprocess.run([sys.executable, "-c", "import pare"], capture_output=True, text=True,
                             env={**os.environ, "PARE_LIBRARY": "/nowhere/libpare.so",
                                  "PYTHONPATH": str(ROOT / "python")})
        self.assertIn("/nowhere/libpare.so", out.stderr)
        self.assertIn("ImportError", out.stderr)


class Documentation(Case):
    def test_page_is_what_the_docstrings_say(self):
        subprocess.run([sys.executable, str(ROOT / "scripts" / "python_doc.py"), "--check"],
                       check=True)

    def test_examples_in_docstrings(self):
        import doctest
        for module in (pare, pare.selectors, pare.table):
            self.assertEqual(doctest.testmod(module).failed, 0)


if __name__ == "__main__":
    unittest.main()
