"""One cache of the Hub for huggingface_hub and the program; skipped where either is missing."""

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

try:
    import huggingface_hub  # noqa: F401
except ImportError as error:
    raise unittest.SkipTest(f"huggingface_hub is not installed ({error})") from None

REPOSITORY, FILE = "lab/tiny-cnn5", "model.safetensors"
NET = ["net.kind=cnn5", "net.width=1"]
SMALL = ["data.kind=digits", "data.n_train=100", "data.n_test=50", "analysis.n_examples=20",
         "analysis.drs.triplets=1", "analysis.drs.resolution=2"]


class Hub(http.server.BaseHTTPRequestHandler):
    """The routes of the Hub that files of a few revisions take."""

    files: dict = {}

    def do_GET(self):
        path = self.path.strip("/")
        commits = {name: hashlib.sha1(name.encode()).hexdigest() for name in self.files}
        if path == f"api/models/{REPOSITORY}/refs":
            branches = [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}
                        for name, commit in commits.items()]
            return self.answer(json.dumps({"branches": branches, "tags": [], "converts": []}).encode())
        for name, content in self.files.items():
            if path in {f"{REPOSITORY}/resolve/{revision}/{FILE}" for revision in (name, commits[name])}:
                etag = hashlib.sha256(content).hexdigest()
                return self.answer(content, {"ETag": f'"{etag}"', "X-Repo-Commit": commits[name]})
        return self.answer(b"", {"X-Error-Code": "EntryNotFound"}, 404)

    do_HEAD = do_GET

    def answer(self, body, headers=None, status=200):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@unittest.skipUnless(shutil.which("stratagram"), "the program stratagram is not on PATH")
class OneCache(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.run_program("train", *SMALL, *NET, "train.epochs=2", "--out", "trained")
        saved = sorted((self.root / "trained/checkpoints").glob("*.safetensors"))
        Hub.files = {f"step{2 ** k}": path.read_bytes() for k, path in enumerate(saved[-2:])}
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"

    def environment(self, **more):
        return {**os.environ, "HF_HOME": str(self.root / "hf"), "HF_ENDPOINT": self.url,
                "HF_HUB_OFFLINE": "0", **more}

    def run_program(self, *words, **environment):
        done = subprocess.run(["stratagram", *words], cwd=self.root, capture_output=True, text=True,
                              env=self.environment(**environment) if environment else None)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def through_the_library(self, offline):
        """The content of every revision, as huggingface_hub finds it."""
        code = ("import sys, huggingface_hub as hub\n"
                "for revision in sys.argv[3:]:\n"
                "    print(hub.hf_hub_download(sys.argv[1], sys.argv[2], revision=revision))")
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, REPOSITORY, FILE, *Hub.files],
                              env=self.environment(HF_HUB_OFFLINE=str(int(offline))),
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [Path(line).read_bytes() for line in done.stdout.split()]

    def imported(self, out, offline):
        self.run_program("import", "--hf", REPOSITORY, "--revisions", "step*", *SMALL, *NET, "--out", out,
                         HF_HUB_OFFLINE=str(int(offline)))
        run = json.loads((self.root / out / "run.json").read_text())
        return [(file["file"], file["step"], file["sha256"]) for file in run["imported"]]

    def expected(self):
        return [(f"{REPOSITORY}@{name}/{FILE}", int(name[4:]), hashlib.sha256(content).hexdigest())
                for name, content in Hub.files.items()]

    def test_what_the_library_has_fetched_is_imported_offline(self):
        self.through_the_library(offline=False)
        self.assertEqual(self.imported("out", offline=True), self.expected())

    def test_what_the_program_has_fetched_is_found_by_the_library_offline(self):
        self.assertEqual(self.imported("out", offline=False), self.expected())
        self.assertEqual(self.through_the_library(offline=True), list(Hub.files.values()))


if __name__ == "__main__":
    unittest.main()
