"""What tests of several folders need."""

import ctypes
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

OUTBOUND = []
"""What tests tried to reach beyond this machine; see `no_network`."""


def pytest_configure(config):
    """Let nothing in this process connect or look up names beyond the loopback, whatever library asks."""
    config.addinivalue_line("markers", "fault: uses `fault_record`, given by itself (make faults, make soak)")

    def guarded(function, host_of):
        def call(*args, **options):
            host = host_of(*args, **options)
            if host is not None and not _is_here(host):
                OUTBOUND.append(f"{function.__name__} {host!r}")
                raise OSError(f"the tests have no network: {function.__name__} {host!r}")
            return function(*args, **options)

        return call

    def peer(this, *args):
        return args[-1][0] if isinstance(args[-1], tuple) and args[-1] else None

    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, guarded(getattr(socket.socket, name), peer))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
        setattr(socket, name, guarded(getattr(socket, name), lambda host=None, *_, **__: host))


def _is_here(host):
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    return name in ("", "localhost", "::1", "0.0.0.0", "::", socket.gethostname()) or name.startswith("127.")


@pytest.fixture(autouse=True)
def no_network():
    """Fails a test in which something tried to reach another machine, also where the attempt was swallowed."""
    OUTBOUND.clear()
    yield OUTBOUND
    tried = list(OUTBOUND)
    assert not tried, f"this went onto the network: {tried}"


SOAK = bool(os.environ.get("AMOGUS_SOAK"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Whatever records faults can be chosen by `-m fault`."""
    for item in items:
        if "fault_record" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.fault)


@pytest.fixture
def many():
    """How often to try something: `many(few, lots)` is `few`, and `lots` in a soak (`make soak`, AMOGUS_SOAK=1)."""
    return lambda few, lots: lots if SOAK else few


@pytest.fixture
def places(many):
    """Where to kill a run of so many operations: `few` places spread over all of it, every one of them in a soak.

    AMOGUS_SEED moves them, so that runs with other seeds see other places.
    """

    def chosen(operations, few):
        step = max(1, operations // many(few, operations))
        return range(1 + int(os.environ.get("AMOGUS_SEED", "0")) % step, operations + 1, step)

    return chosen


@pytest.fixture
def fault_record(request):
    """Tells how many faults of one kind were tried and survived, and fails the test where they differ.

    `fault_record("F7", tried=100, survived=100, what="workers killed by a decoder")`: the ids are those of
    docs/RELIABILITY.md, whose table `make faults` makes from these records. A line is added to the file that
    AMOGUS_FAULTS names; without that variable nothing is written. `wrong` names what was not survived.
    """

    def record(fault, *, tried, survived, what="", wrong=()):
        if os.environ.get("AMOGUS_FAULTS"):
            line = {"fault": fault, "tried": int(tried), "survived": int(survived), "what": what, "soak": SOAK}
            line["test"] = request.node.nodeid
            with open(os.environ["AMOGUS_FAULTS"], "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        assert survived == tried > 0, f"{fault}: {survived} of {tried} survived; not: {list(wrong)[:10]}"

    return record


@pytest.fixture
def tiny_yolo(tmp_path):
    """Writes an ONNX file that gives the same findings for every picture, whatever its size, and says what it holds."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    def write(name, findings, about=None):
        """Each finding: cx, cy, w, h, then class scores and whatever the kind of network appends."""
        table = np.asarray(findings, np.float32).T[None]
        nodes = [
            helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
            helper.make_node("ReduceMean", ["pooled"], ["mean"], axes=[1, 2], keepdims=1),
            helper.make_node("Squeeze", ["mean", "last"], ["flat"]),
            helper.make_node("Mul", ["flat", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "table"], ["findings"]),
        ]
        graph = helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
            [helper.make_tensor_value_info("findings", TensorProto.FLOAT, ["batch", table.shape[1], table.shape[2]])],
            [
                numpy_helper.from_array(np.asarray([3], np.int64), "last"),
                numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
                numpy_helper.from_array(table, "table"),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        helper.set_model_props(model, about or {})
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())
        return path

    return write


FAKES = """
from amogus_search.testing import FakeDetector, FakeEmbedder

def detector(argument):
    return FakeDetector()

def embedder(argument):
    return FakeEmbedder()
"""


@pytest.fixture
def fake_models(tmp_path, monkeypatch):
    """A detector and an embedder called `fake`, from a package of their own."""
    folder = tmp_path / "plugin"
    info = folder / "amogus_toys-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "amogus_toys.py").write_text(FAKES)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: amogus-toys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[amogus_search.plugins]\ndetector.fake = amogus_toys:detector\nembedder.fake = amogus_toys:embedder\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def powerless():
    """Runs a program of Python in a process that may do no more than any user, also where the tests run as root.

    `powerless("-m", "amogus_search", "index", ...)`; `python_path` is looked through first. Its user stays the same,
    so that it can read the interpreter; what goes is root's power to read and change what permissions forbid.
    """

    def run(*arguments, python_path=(), timeout=120, **options):
        home = os.pathsep.join([*map(str, python_path), str(ROOT)])
        return subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": home, **options.pop("env", {})},
            preexec_fn=_give_up_powers if os.geteuid() == 0 else None,
            capture_output=True,
            timeout=timeout,
            check=False,
            **options,
        )

    return run


def _give_up_powers():
    """Take every capability out of the bounding set, so that what is executed next has none, whoever runs it."""
    library = ctypes.CDLL(None)
    for capability in range(64):
        library.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.fixture(scope="session")
def photos_once(tmp_path_factory):
    """What `drawn_photos` is a copy of; not to be changed."""
    import numpy as np
    from PIL import Image

    folder = tmp_path_factory.mktemp("drawn") / "photos"
    folder.mkdir()
    for name, boxes in {
        "two.png": [((20, 20, 60, 70), (230, 20, 20)), ((90, 30, 130, 60), (230, 20, 20))],
        "one.png": [((10, 10, 50, 50), (230, 20, 20))],
        "blue.png": [((10, 10, 150, 110), (20, 20, 230))],
        "empty.png": [],
    }.items():
        pixels = np.full((120, 160, 3), 250, np.uint8)
        pixels[::2] = 235
        for (x1, y1, x2, y2), colour in boxes:
            pixels[y1:y2, x1:x2] = colour
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.fixture
def drawn_photos(photos_once, tmp_path):
    """A folder with two red boxes (`two.png`), one (`one.png`), a blue one (`blue.png`) and nothing (`empty.png`)."""
    return shutil.copytree(photos_once, tmp_path / "photos")


@pytest.fixture(scope="session")
def tiny_pipeline(tmp_path_factory):
    """Folder of a pipeline of diffusers with random weights, by kind (`tiny_pipelines.py`); not to be changed."""
    spec = importlib.util.spec_from_file_location("tiny_pipelines", Path(__file__).with_name("tiny_pipelines.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("pipelines")
    return lambda kind: module.build(kind, folder)
