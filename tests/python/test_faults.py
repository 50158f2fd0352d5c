"""Every call by which a recording reaches the disk, made to fail or to be the process's last.

The process ends with an error that names the file, or goes on; the same script then gives the bytes
of one that nothing disturbed. A power cut takes what is not on disk, so names are given to what is.
By ``strace``; ``STRATAGRAM_CAMPAIGN=full`` tries each call, not a few.
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
from itertools import product
from pathlib import Path

import stratagram
from stratagram import _program

SCRIPT = """
import sys
import numpy as np
import stratagram
x = np.random.default_rng(0).normal(size=(4, 12, 5))
with stratagram.Recording(sys.argv[1], ["a/b", "fc"], {"test": range(12)},
                          test_labels=[0, 1, 2, 1]) as rec:
    for step in range(int(sys.argv[2])):
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


def record(root, *tracer, rows=4):
    """Records into ``root``, which may hold some of the rows."""
    package = str(Path(stratagram.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": package, "PYTHONHASHSEED": "0",
                   "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [*tracer, sys.executable, "-c", SCRIPT, str(root), str(rows)]
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

    def fresh(self, folder, rows):
        """Where a recording is to begin, or to go on behind some rows."""
        root = self.folder / folder / "r"
        shutil.rmtree(root, ignore_errors=True)
        if rows:
            shutil.copytree(self.folder / "begun", root)
        return root

    def calls(self, call, rows):
        """The numbers of the calls of a kind that reach the recording's files."""
        root, log = self.fresh("counted", rows), self.folder / "calls"
        record(root, "strace", "-y", "-o", log, "-e", f"trace={call}")
        lines = [line for line in log.read_text().splitlines() if line.startswith(call + "(")]
        return [at for at, line in enumerate(lines, start=1) if str(root) in line]

    def trial(self, option, rows, expected):
        """What became of a fault."""
        root = self.fresh("work", rows)
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
        self.assertEqual(record(self.folder / "begun", rows=2).returncode, 0)
        root = self.folder / "expected" / "r"
        done = record(root)
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = steady(root)
        chosen = random.Random(2026)
        is_full = os.environ.get("STRATAGRAM_CAMPAIGN") == "full"
        tally = Counter()
        for rows, (call, faults) in product((0, 2), FAULTS.items()):
            places = self.calls(call, rows)
            self.assertTrue(places or rows, f"{call} is not called")
            for fault in faults:
                few = places if is_full else sorted(chosen.sample(places, min(2, len(places))))
                for at in few:
                    with self.subTest(call=call, fault=fault, at=at, rows=rows):
                        option = f"inject={call}:{fault}:when={at}"
                        tally[self.trial(option, rows, expected)] += 1
        print("faults of a recording:", ", ".join(f"{n} {what}" for what, n in tally.items()))
        self.assertGreaterEqual(tally["killed and continued"], 5)
        self.assertGreaterEqual(tally["refused and continued"], 5)

    def test_a_name_is_given_to_what_is_on_disk_and_is_then_on_disk_itself(self):
        options = ["strace", "-f", "-y", "-o", str(self.folder / "calls"), "-e",
                   "trace=fsync,rename,renameat,renameat2"]
        self.check_order("recording", record(self.folder / "recording" / "r", *options))
        if _program.find() is None:
            self.skipTest("the program stratagram is not on PATH")
        settings = ("data.kind=digits data.n_train=60 data.n_test=30 net.kind=cnn5 net.width=2 "
                    "train.epochs=2 analysis.n_examples=12 analysis.drs.resolution=4")
        out = self.folder / "run" / "r"
        run = [*options, _program.find(), "run", *settings.split(), "--out", out]
        self.check_order("run", subprocess.run(run, capture_output=True, text=True))

    def check_order(self, folder, done):
        """Of each thread: a file is forced to disk, renamed, and its folder forced to disk."""
        self.assertEqual(done.returncode, 0, done.stderr)
        calls = {}
        for line in (self.folder / "calls").read_text().splitlines():
            found = re.match(r'(\d+) +(fsync|rename\w*)\((.*)', line)
            if found:
                paths = re.findall(r'<(/[^>]*)>|"([^"]*)"', found[3])
                files = [path or name for path, name in paths]
                calls.setdefault(found[1], []).append((found[2], files))
        n = 0
        for own in calls.values():
            for at, (call, files) in enumerate(own):
                if not call.startswith("rename") or f"/{folder}/r/" not in files[-1]:
                    continue
                n += 1
                before, after = own[max(at - 1, 0)], own[min(at + 1, len(own) - 1)]
                self.assertEqual(before, ("fsync", [files[0]]), f"before {files}")
                self.assertEqual(after, ("fsync", [str(Path(files[-1]).parent)]), f"after {files}")
        self.assertGreater(n, 10)


if __name__ == "__main__":
    unittest.main()
