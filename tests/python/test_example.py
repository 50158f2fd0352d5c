"""The worked example of docs/stabilization on a small scale; skipped where the program is not on PATH."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import stratagram

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/stabilization"
SMALL = ["train.epochs=6", "net.width=2", "data.n_train=400", "data.n_test=60", "analysis.n_examples=80",
         "analysis.layers=[relu1,pool4,fc]", "analysis.drs.triplets=3", "analysis.drs.resolution=5",
         "analysis.prediction_depth=false", "analysis.drs.floor=none"]


@unittest.skipUnless(shutil.which("stratagram"), "the program stratagram is not on PATH")
class Example(unittest.TestCase):
    def test_three_rates_and_three_seeds_are_summarized_layer_by_layer(self):
        scripts = [*EXAMPLE.glob("*.toml"), *EXAMPLE.glob("*.py")]
        self.assertLessEqual(sum(len(file.read_text().splitlines()) for file in scripts), 60)
        with tempfile.TemporaryDirectory() as folder:
            runs = Path(folder) / "rates"
            command = ["stratagram", "sweep", EXAMPLE / "rates.toml", "--out", runs, *SMALL]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            package = str(Path(stratagram.__file__).parents[1])
            environment = {**os.environ, "PYTHONPATH": package, "PYTHONIOENCODING": "utf-8"}
            done = subprocess.run([sys.executable, EXAMPLE / "summarize.py", runs], check=True,
                                  capture_output=True, encoding="utf-8", env=environment)
            for rate in ("0.005", "0.02", "0.08"):
                head = f"optimizer.lr-{rate}: mean ± standard deviation over 3 seeds\n"
                self.assertIn(head, done.stdout)
                rows = done.stdout.split(head)[1].split("\n\n")[0].splitlines()
                self.assertEqual([row.split()[0] for row in rows], ["relu1", "pool4", "fc"])
                for name in ("CKA to last", "to future", "DRS to last", "NC1", "NC2", "NC4", "probe"):
                    self.assertTrue(all(f"  {name} " in row for row in rows), (name, rows))
                self.assertIn("  NC3 ", rows[1], "the classifier reads pool4")
                self.assertNotIn("  NC3 ", rows[0])
            page = (runs / "comparison/index.html").read_text(encoding="utf-8")
            self.assertIn("optimizer.lr", page)
