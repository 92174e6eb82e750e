"""The examples run, and say what they are there to show."""

import os
import subprocess
import sys
import unittest

from support import ROOT, Case

FOLDER = ROOT / "examples" / "python"


class Examples(Case):
    def test_all(self):
        paths = sorted(FOLDER.glob("*.py"))
        self.assertGreaterEqual(len(paths), 5)
        for path in paths:
            with self.subTest(example=path.name):
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", str(path)], capture_output=True, text=True,
                    env={**os.environ, "PYTHONPATH": str(ROOT / "python"), "MPLBACKEND": "Agg"})
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertGreater(len(done.stdout.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
