"""The worker's process and its frames: what reaches the program whatever happens."""

import io
import os
import signal
import struct
import subprocess
import sys
import unittest

import numpy as np

from stratagram.worker import frame

try:
    import torch  # noqa: F401
except ImportError:
    raise unittest.SkipTest("PyTorch is not installed") from None

from worker_client import Process, Refused, give_bytes, in_process, steps, stored_nodes

NODES = stored_nodes()["cnn5-k3-3x16x16"]


class Frames(unittest.TestCase):
    ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7, np.int64),
              "none": np.zeros((0, 4), np.uint8)}

    def bytes_of(self, header, arrays=None):
        stream = io.BytesIO()
        frame.write(stream, header, arrays)
        return stream.getvalue()

    def test_a_frame_is_read_back(self):
        data = self.bytes_of({"do": "x", "key": 2**64 - 1}, self.ARRAYS)
        header, arrays = frame.read(io.BytesIO(data))
        self.assertEqual(header, {"do": "x", "key": 2**64 - 1})
        self.assertEqual(list(arrays), list(self.ARRAYS))
        for name, array in self.ARRAYS.items():
            np.testing.assert_array_equal(arrays[name], array)
            self.assertEqual(arrays[name].dtype, array.dtype)
        self.assertIsNone(frame.read(io.BytesIO(b"")))

    def test_the_bytes_are_those_of_the_description(self):
        text = b'{"do": "x", "arrays": [["a", "u8", [2]]]}'
        expected = struct.pack("<I", len(text)) + text + b"\x03\x04"
        self.assertEqual(self.bytes_of({"do": "x"}, {"a": np.array([3, 4], np.uint8)}), expected)

    def test_a_stream_that_ends_anywhere_is_an_error(self):
        data = self.bytes_of({"do": "x"}, self.ARRAYS)
        for length in range(1, len(data)):
            with self.assertRaises(frame.FrameError, msg=length):
                frame.read(io.BytesIO(data[:length]))

    def test_what_is_no_frame_is_an_error(self):
        for text in [b"[]", b"{}", b"nonsense", b'{"arrays": [["a", "f16", [1]]]}',
                     b'{"arrays": 3}', b'{"arrays": [["a", "u8", [-1]]]}', b"\xff\xfe"]:
            with self.assertRaises(frame.FrameError, msg=text):
                frame.read(io.BytesIO(struct.pack("<I", len(text)) + text))
        with self.assertRaises(frame.FrameError):
            frame.read(io.BytesIO(b"HTTP/1.1 200 OK"))


class Pipes(unittest.TestCase):
    def test_it_ends_with_its_input_and_by_no_interrupt(self):
        with Process() as worker:
            os.kill(worker.process.pid, signal.SIGINT)
            self.assertIn("cpu", worker("devices")[0]["devices"])
            worker.process.stdin.close()
            self.assertEqual(worker.process.wait(60), 0)

    def test_what_is_printed_reaches_stderr(self):
        code = "import sys, torch; from stratagram.worker.__main__ import main; " \
               "torch.set_num_threads = lambda n: print('inside', n, flush=True); sys.exit(main())"
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        request = io.BytesIO()
        hello = {"do": "hello", "protocol": frame.PROTOCOL, "settings": {"threads": 1}}
        frame.write(request, hello)
        out, err = process.communicate(request.getvalue())
        header, _ = frame.read(io.BytesIO(out))
        self.assertEqual(header["protocol"], frame.PROTOCOL)
        self.assertIn(b"inside 1", err)

    def test_requests_that_fail_are_answered_and_the_next_is_served(self):
        with Process() as worker:
            for request, message in [
                    ({"do": "nothing"}, "no request 'nothing'"),
                    ({"do": "weights"}, "there is no net yet"),
                    ({"do": "hello", "protocol": 0, "settings": {}}, "protocol 0"),
                    ({"do": "hello", "protocol": frame.PROTOCOL, "settings": {"device": "cuda:77"}},
                     "Error"),
                    ({"do": "hello", "protocol": frame.PROTOCOL, "settings": {"precision": "f8"}},
                     "'f8'"),
                    ({"do": "net", "nodes": [{"name": "a", "op": "fold"}]}, "node a is a fold")]:
                with self.assertRaisesRegex(Refused, message):
                    worker(**request)
            self.assertIn("cpu", worker("devices")[0]["devices"])

    def test_a_request_that_cannot_be_read_ends_it_with_an_answer(self):
        with Process() as worker:
            worker.process.stdin.write(b"HTTP/1.1 200 OK")
            worker.process.stdin.flush()
            header, _ = frame.read(worker.process.stdout)
            self.assertEqual(header["kind"], "frame")
            self.assertEqual(worker.process.wait(60), 1)

    def test_without_pytorch_it_says_so(self):
        code = "import sys; sys.modules['torch'] = None; " \
               "from stratagram.worker.__main__ import main; sys.exit(main())"
        done = subprocess.run([sys.executable, "-c", code], input=b"", capture_output=True)
        header, _ = frame.read(io.BytesIO(done.stdout))
        self.assertEqual((header["kind"], done.returncode), ("no-torch", 1))
        self.assertIn("PyTorch cannot be imported", header["error"])


class Killed(unittest.TestCase):
    def test_a_training_that_is_killed_anywhere_continues_to_the_same_bytes(self):
        import nets  # of tests/reference

        net = nets.build("cnn5", 3, [3, 16, 16], 5, torch.float32)
        state = {name: values.numpy() for name, values in net.state_dict().items()}
        n_steps, size = 12, 10
        index = np.random.default_rng(0).integers(0, 60, n_steps * size)
        adam = {"kind": "adam", "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01,
                "decoupled": True}

        def begin(worker, weights, buffers):
            give_bytes(worker)
            worker("net", weights, nodes=NODES)
            if buffers:
                worker("optimizer", buffers, take=True)

        def go(worker, start, end):
            return steps(worker, [size] * (end - start), index[start * size:end * size],
                         update=adam, rates=[0.01] * (end - start))

        whole = in_process()
        begin(whole, state, {})
        go(whole, 0, n_steps)
        expected = {**whole("weights")[1], **whole("optimizer")[1]}
        weights, buffers = state, {}
        for start in range(0, n_steps, 3):
            with Process() as worker:  # killed at the end, in the middle of a request
                begin(worker, weights, buffers)
                go(worker, start, start + 3)
                weights, buffers = worker("weights")[1], worker("optimizer")[1]
                frame.write(worker.process.stdin, {"do": "weights"})
        found = {**weights, **buffers}
        self.assertEqual(set(found), set(expected))
        for name, values in expected.items():
            self.assertEqual(found[name].tobytes(), values.tobytes(), name)


if __name__ == "__main__":
    unittest.main()
