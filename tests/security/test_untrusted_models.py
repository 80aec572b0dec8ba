"""A file of weights can refuse to load; it can never run anything, nor pass for another one (F20, F21)."""

import hashlib
import io
import os
import pickle
import pickletools
import shutil
import sqlite3
import subprocess
import tarfile
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest

from amogus_search import registry, runtime, weights
from amogus_search.cli.main import main
from amogus_search.errors import AmogusError, WeightsError

# --- F20: embedded weights that are not the ones of the manifest


@pytest.fixture
def compiled(monkeypatch):
    """What reached the library that would load it; nothing is compiled."""
    seen = []

    class ReachedError(Exception):
        """The model would be loaded now."""

    def reached(model, *args, **options):
        seen.append(hashlib.sha256(bytes(model)).hexdigest())
        raise ReachedError

    monkeypatch.setattr(runtime, "compile_onnx", reached)
    monkeypatch.setattr(runtime, "read_network", reached)
    for module in ("amogus_search.detectors.openvino", "amogus_search.embedders.openvino"):
        loaded = __import__(module, fromlist=["x"])
        if hasattr(loaded, "compile_onnx"):
            monkeypatch.setattr(loaded, "compile_onnx", reached)
    seen_error = ReachedError
    return seen, seen_error


def tampered(content, other):
    """Twenty files that are not the given one, each wrong in another way."""
    size = len(content)
    places = [0, 1, 7, 64, size // 3, size // 2, 2 * size // 3, size - 65, size - 2, size - 1]
    for number, place in enumerate(places):
        changed = bytearray(content)
        changed[place] ^= 1 << (number % 8)
        yield bytes(changed)
    yield from (content[: size // 2], content[:-1], content[:64], b"")
    yield from (content + b"\0", content + content[:100], bytes(size), other)
    yield b"<!DOCTYPE html><html><body>429 Too Many Requests</body></html>"
    yield b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 6000000\n"


@pytest.mark.parametrize(
    ("kind", "role", "name", "load"),
    [
        ("detector", "model", "amogus:f32", registry.load_detector),
        ("detector", "int8", "amogus:int8", registry.load_detector),
        ("detector", "int8_constants", "amogus:int8", registry.load_detector),
        ("embedder", "image", "amogus", registry.load_embedder),
    ],
)
def test_weights_that_are_not_the_listed_ones_are_refused_before_anything_is_loaded(
    kind, role, name, load, tmp_path, monkeypatch, compiled, fault_record
):
    seen, _ = compiled
    monkeypatch.setattr(runtime, "cpu_has_int8", lambda: True)
    home, asked = weights.folder(), name
    name = weights.entry(kind, "amogus").files[role]
    for file in home.iterdir():
        if file.is_file() and file.name != name:
            (tmp_path / file.name).symlink_to(file)
    content, other = (home / name).read_bytes(), (home / "weights.toml").read_bytes()
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    variants, refused = list(tampered(content, other)), 0
    for variant in variants:
        (tmp_path / name).write_bytes(variant)
        with pytest.raises(WeightsError, match=name):
            load(asked)
        refused += not seen
    fault_record("F20", tried=len(variants), survived=refused, what=f"weights of the {kind}, tampered with")


def test_what_is_hashed_is_what_is_loaded(tmp_path, monkeypatch, compiled):
    """The file is swapped right after it was read: nothing of the new one reaches the library."""
    seen, reached = compiled
    home, name = weights.folder(), weights.entry("detector", "amogus").files["model"]
    shutil.copytree(home, tmp_path / "w", dirs_exist_ok=True)
    monkeypatch.setattr(weights, "folder", lambda: tmp_path / "w")
    read = weights.read

    def read_then_swap(file_name):
        content = read(file_name)
        (tmp_path / "w" / file_name).unlink()
        (tmp_path / "w" / file_name).symlink_to("/dev/zero")
        return content

    monkeypatch.setattr(weights, "read", read_then_swap)
    with pytest.raises(reached):
        registry.load_detector("amogus:f32").detect_tiles(np.zeros((1, 640, 640, 3), np.uint8))
    assert set(seen) == {weights.manifest()["file"][name]["sha256"]}


# --- F21: files that would run code if anybody let them


class Payload:
    """Pickled, it is an order to write a file."""

    def __init__(self, function, arguments):
        self.order = (function, arguments)

    def __reduce__(self):
        return self.order


def payloads(canary):
    """Objects that, unpickled, leave the canary; each by another function."""
    code = f"open({str(canary)!r}, 'w').close()"
    yield "system", Payload(os.system, (f"touch {canary}",))
    yield "exec", Payload(exec, (code,))
    yield "eval", Payload(eval, (code,))
    yield "call", Payload(subprocess.call, (["touch", str(canary)],))
    yield "makedirs", Payload(os.makedirs, (str(canary),))
    yield "mkdir", Payload(os.mkdir, (str(canary),))


def pickles(canary):
    """Bytes of pickles in every protocol, and as NumPy would keep them."""
    for name, payload in payloads(canary):
        yield name, pickle.dumps(payload, protocol=2)
    yield "protocol 0", pickletools.optimize(pickle.dumps(Payload(os.mkdir, (str(canary),)), protocol=0))
    array = io.BytesIO()
    np.save(array, np.array([Payload(os.mkdir, (str(canary),))], object), allow_pickle=True)
    yield "object array", array.getvalue()


def run(*words):
    """The command line, whatever it says; a crash of ours would be raised."""
    return main([str(word) for word in words])


def test_the_payloads_of_these_tests_work(tmp_path):
    """Or the canaries would live for the wrong reason."""
    for name, data in list(pickles(tmp_path / "canary"))[:-1]:
        pickle.loads(data)
        found = tmp_path / "canary"
        assert found.exists(), name
        found.rmdir() if found.is_dir() else found.unlink()


def disguises(canary, folder):
    """(name, words of the command line) for files that came from somebody else, wherever a file is taken."""
    picture = folder / "picture.png"
    for name, data in pickles(canary):
        onnx = folder / f"{name}.onnx"
        onnx.write_bytes(data)
        yield f"{name} as .onnx", ["detect", picture, "--detector", onnx]
        (folder / "album").mkdir(exist_ok=True)
        (folder / "album" / f"{name}.jpg").write_bytes(data)
    yield "all of them as pictures", ["detect", folder / "album", "--detector", "none"]
    for name, data in list(pickles(canary))[:3]:
        network = folder / f"{name}.xml"
        network.write_bytes(data)
        yield f"{name} as .xml", ["detect", picture, "--detector", network]
        for file in ("clip.json", "images.xml"):
            exported = folder / f"{name}-{file}"
            exported.mkdir()
            (exported / file).write_bytes(data)
            yield (
                f"{name} as {file}",
                ["index", picture, "--index", folder / "i", "--detector", "none", "--embedder", f"openvino:{exported}"],
            )
        taught = folder / f"{name}-motif"
        taught.mkdir()
        (taught / "motif.toml").write_bytes(data)
        yield f"{name} as a motif", ["detect", picture, "--detector", f"motif:{taught}/"]
        index = folder / f"{name}-index"
        index.mkdir()
        (index / "catalog.sqlite").write_bytes(data)
        yield f"{name} as an index", ["query", "--index", index]
    yield from _texts(canary, folder, picture)
    yield from _archives(canary, folder)


def _texts(canary, folder, picture):
    code = f"__import__('os').mkdir({str(canary)!r})"
    yaml = f"!!python/object/apply:os.mkdir [{str(canary)!r}]\n"
    for name, text in (("motif.toml", yaml), ("motif.toml", f"name = {code}\n"), ("motif.toml", f'name = "{code}"\n')):
        taught = folder / f"text-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
        taught.mkdir()
        (taught / name).write_text(text)
        yield "a text as a motif", ["detect", picture, "--detector", f"motif:{taught}/"]
    data = folder / "dataset"
    (data / "images").mkdir(parents=True)
    (data / "data.yaml").write_text(yaml)
    yield "a data set's YAML", ["eval", "detect", data]


def _archives(canary, folder):
    slip = os.path.relpath(canary, folder)
    with zipfile.ZipFile(folder / "slip.zip", "w") as archive:
        archive.writestr(slip, b"x")
    with tarfile.open(folder / "slip.tar", "w") as archive:
        member = tarfile.TarInfo(slip)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big", bytes(50_000_000))
    names = ("slip.zip", "slip.tar", "bomb.zip")
    yield "archives as pictures", ["detect", *(folder / name for name in names), "--detector", "none"]
    for name in names:
        shutil.copy(folder / name, folder / f"{name}.onnx")
        yield f"{name} as .onnx", ["detect", folder / "picture.png", "--detector", folder / f"{name}.onnx"]


def test_no_file_of_anybody_runs_code(tmp_path, capsys, monkeypatch, fault_record):
    """Each is refused in words or skipped; the payload would leave a file, and none does."""
    from PIL import Image

    Image.new("RGB", (32, 32)).save(tmp_path / "picture.png")
    canary, alive, tried = tmp_path / "out" / "canary", 0, 0
    canary.parent.mkdir()
    monkeypatch.chdir(tmp_path)
    dead = []
    for name, words in disguises(canary, tmp_path):
        tried += 1
        code = run(*words)
        said = capsys.readouterr()
        refused = code in (0, 1, 2, 3) and "Traceback" not in said.err and (code == 0 or said.err)
        if refused and not canary.exists():
            alive += 1
        else:
            dead.append((name, code, said.err[-300:]))
    fault_record("F21", tried=tried, survived=alive, what="files that would run code", wrong=dead)


def test_metadata_of_a_model_is_read_as_data(tiny_yolo, tmp_path):
    """Others evaluate these texts as Python."""
    canary = tmp_path / "canary"
    code = f"__import__('os').mkdir({str(canary)!r})"
    for key in ("names", "kpt_shape", "imgsz", "stride", "args"):
        about = {"names": "{0: 'a'}", "kpt_shape": "[0, 3]", key: code}
        path = tiny_yolo(f"{key}.onnx", [(20, 20, 10, 10, 0.9)], about)
        detector = registry.load_detector(str(path))
        detector.detect_tiles(np.zeros((1, detector.tile_px, detector.tile_px, 3), np.uint8))
    assert not canary.exists()


def test_a_catalogue_with_triggers_is_refused(tmp_path, capsys):
    """A database can hold programs of SQL; ours has none."""
    index = tmp_path / "index"
    index.mkdir()
    with sqlite3.connect(index / "catalog.sqlite") as database:
        database.execute("CREATE TABLE meta (name TEXT, value TEXT, checksum BLOB)")
        database.execute("CREATE TRIGGER evil AFTER INSERT ON meta BEGIN DELETE FROM meta; END")
    database.close()
    assert run("query", "--index", index) == 1
    assert "Traceback" not in capsys.readouterr().err


FORBIDDEN = (
    "pickle.load",
    "allow_pickle=True",
    "weights_only=False",
    "yaml.load(",
    "shell=True",
    "extractall",
    "mktemp(",
)


def test_nothing_in_the_package_can_run_what_it_reads():
    """The lint has rules for these too; this one has no exceptions."""
    from pathlib import Path

    import amogus_search

    home = Path(amogus_search.__file__).parent
    found = [
        (path.name, word)
        for path in home.rglob("*.py")
        for word in FORBIDDEN
        if word in path.read_text(encoding="utf-8")
    ]
    assert found == []


# --- the same through torch


@pytest.fixture
def torch():
    """PyTorch; ultralytics is there too, but to be imported only by our door: alone it asks name servers."""
    if find_spec("ultralytics") is None:
        pytest.skip("ultralytics is not installed")
    return pytest.importorskip("torch")


def pt_files(torch, canary, folder):
    """Checkpoints with a payload in each place where one was ever found."""
    for name, payload in payloads(canary):
        for place, content in {
            "bare": payload,
            "model": {"model": payload, "ema": None, "train_args": {"task": "pose", "imgsz": 640}},
            "beside": {"model": {"w": torch.zeros(1)}, "words": ["a"], "extra": [payload]},
        }.items():
            path = folder / f"{name}-{place}.pt"
            torch.save(content, path)
            yield path
    for name, data in pickles(canary):
        path = folder / f"raw-{name}.pt"
        path.write_bytes(data)
        yield path
    path = folder / "old-format.pt"
    torch.save(Payload(os.mkdir, (str(canary),)), path, _use_new_zipfile_serialization=False)
    yield path


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")
def test_no_checkpoint_runs_code_through_any_door(torch, tmp_path, fault_record):
    """Ultralytics and open_clip unpickle a checkpoint unless they are told not to."""
    from amogus_search.training import embedder_state, pose_model

    canary, dead, tried = tmp_path / "canary", [], 0
    doors = {
        "detector": lambda path: registry.load_detector(str(path)),
        "embedder": lambda path: registry.load_embedder(f"open_clip:RN50/{path}"),
        "start of an embedder": embedder_state.read_start,
        "backbone": embedder_state.read_backbone,
        "start of a detector": lambda path: pose_model.load_matching(torch.nn.Linear(1, 1), path),
    }
    for path in pt_files(torch, canary, tmp_path):
        for door, load in doors.items():
            if door == "embedder" and not path.name.startswith(("system", "old")):
                continue  # it builds the whole network first
            tried += 1
            try:
                load(path)
                dead.append((door, path.name, "was loaded"))
            except (AmogusError, pickle.UnpicklingError, RuntimeError, ValueError, KeyError, TypeError, AttributeError):
                pass
            if canary.exists():
                dead.append((door, path.name, "ran"))
                canary.rmdir() if canary.is_dir() else canary.unlink()
    ran = [one for one in dead if one[2] == "ran"]
    fault_record("F21", tried=tried, survived=tried - len(ran), what="checkpoints that would run code", wrong=ran)


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")
def test_a_ultralytics_that_cannot_load_safely_is_refused(torch, tmp_path, monkeypatch):
    """It falls back to unpickling by itself where its own guard is not supported."""
    from amogus_search.detectors import ultralytics as door

    door._import()
    from ultralytics.nn import tasks

    monkeypatch.setattr(tasks, "SAFE_LOAD", False)
    door._import()
    assert tasks.SAFE_LOAD, "imported before by somebody else"
    monkeypatch.setattr(tasks._SafeLoad, "SUPPORTED", False)
    with pytest.raises(AmogusError, match="would run code"):
        door._import()
