"""Every call by which a recording reaches the disk, made to fail or to be the process's last.

The process ends with an error that names the file, or goes on; the same script then gives the bytes of one
that nothing disturbed. By ``strace``; ``STRATAGRAM_CAMPAIGN=full`` tries each call, not a few.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

import stratagram

SCRIPT = """
import sys
import numpy as np
import stratagram
x = np.random.default_rng(0).normal(size=(4, 12, 5))
with stratagram.Recording(sys.argv[1], ["a/b", "fc"], {"test": range(12)},
                          test_labels=[0, 1, 2, 1]) as rec:
    for step in range(4):
        if rec.last_step is None or step > rec.last_step:
            rec.log(epoch=step, step=step, train_error=1 / (1 + step), answers=[0, 1, 2, step % 3],
                    activations={"a/b": x[step], "fc": x[step] ** 2})
"""
FAULTS = {
    "write": ("error=ENOSPC", "error=EIO", "error=EINTR", "signal=KILL"),
    "fsync": ("error=EIO", "error=ENOSPC", "error=EINTR", "signal=KILL"),
    "rename": ("error=EIO", "error=ENOSPC", "signal=KILL"),
    "unlink": ("error=EIO", "error=EACCES", "signal=KILL"),
    "openat": ("error=EMFILE", "error=EACCES", "error=ENOSPC", "error=EINTR", "signal=KILL"),
    "mkdir": ("error=ENOSPC", "signal=KILL"),
}
#: Their bytes differ from process to process.
UNSTEADY = ("timing.csv", "run.json", "lock")


def strace_works():
    """Whether it is installed, and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True).returncode == 0


def skip(what):
    """Names what cannot be done here, for the list at the end of scripts/check."""
    print("SKIP", what)
    if "STRATAGRAM_SKIPS" in os.environ:
        with open(os.environ["STRATAGRAM_SKIPS"], "a") as skips:
            print(what, file=skips)
    raise unittest.SkipTest(what)


def record(root, *tracer):
    """Records into ``root``, which may hold a part."""
    package = str(Path(stratagram.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": package, "PYTHONHASHSEED": "0",
                   "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [*tracer, sys.executable, "-c", SCRIPT, str(root)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def steady(root):
    """The files whose bytes are promised."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*"))
            if path.is_file() and path.name not in UNSTEADY}


class Faults(unittest.TestCase):
    def setUp(self):
        if not strace_works():
            skip("faults of a recording: strace is not installed, or may not trace")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def calls(self, call):
        """The numbers of the calls of a kind that reach the recording's files."""
        root, log = self.folder / "counted" / "r", self.folder / "calls"
        shutil.rmtree(root, ignore_errors=True)
        record(root, "strace", "-y", "-o", log, "-e", f"trace={call}")
        lines = [line for line in log.read_text().splitlines() if line.startswith(call + "(")]
        return [at for at, line in enumerate(lines, start=1) if str(root) in line]

    def trial(self, option, expected):
        """What became of a fault."""
        root = self.folder / "work" / "r"
        shutil.rmtree(root, ignore_errors=True)
        call = re.split("[=:]", option)[1]
        done = record(root, "strace", "-o", os.devnull, "-e", f"trace={call}", "-e", option)
        is_killed = "KILL" in option
        if done.returncode == 0:
            self.assertEqual(steady(root), expected, option)
            return "unharmed"
        last = (done.stderr.splitlines() or [""])[-1]
        self.assertTrue(is_killed or str(root) in last, f"{option}: {done.stderr}")
        again = record(root)
        self.assertEqual(again.returncode, 0, f"{option}, and again: {again.stderr}")
        found = steady(root)
        self.assertEqual([name for name in {**expected, **found}
                          if expected.get(name) != found.get(name)], [], option)
        return "killed and continued" if is_killed else "refused and continued"

    def test_faults_of_the_system_lose_nothing_of_a_recording(self):
        root = self.folder / "expected" / "r"
        done = record(root)
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = steady(root)
        chosen = random.Random(2026)
        is_full = os.environ.get("STRATAGRAM_CAMPAIGN") == "full"
        tally = Counter()
        for call, faults in FAULTS.items():
            places = self.calls(call)
            self.assertTrue(places, f"{call} is not called")
            for fault in faults:
                few = places if is_full else sorted(chosen.sample(places, min(2, len(places))))
                for at in few:
                    with self.subTest(call=call, fault=fault, at=at):
                        tally[self.trial(f"inject={call}:{fault}:when={at}", expected)] += 1
        print("faults of a recording:", ", ".join(f"{n} {what}" for what, n in tally.items()))
        self.assertGreaterEqual(tally["killed and continued"], 5)
        self.assertGreaterEqual(tally["refused and continued"], 5)


if __name__ == "__main__":
    unittest.main()
