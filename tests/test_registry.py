"""Names become backends lazily; plug-ins come in by entry points; an unknown name is answered with the known ones."""

import subprocess
import sys

import pytest

from amogus_search import registry
from amogus_search.errors import UsageError, WeightsError


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A package installed in a folder of its own, with a detector called `test-fake`."""
    (tmp_path / "amogus_plugin_for_test.py").write_text(
        "from amogus_search.testing import FakeDetector\n\n"
        "def build(argument):\n    detector = FakeDetector()\n    detector.name = f'test-fake:{argument}'\n"
        "    return detector\n"
    )
    info = tmp_path / "amogus_plugin_for_test-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: amogus-plugin-for-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[amogus_search.plugins]\ndetector.test-fake = amogus_plugin_for_test:build\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("amogus_plugin_for_test", None)


def test_every_built_in_name_leads_to_something_that_can_be_called():
    for kind, table in registry.BUILT_IN.items():
        for name in table:
            assert callable(registry.resolve(kind, name)[0])


def test_the_text_after_the_colon_is_the_argument():
    _, argument = registry.resolve("embedder", "open_clip:ViT-B-32/laion2b_s34b_b79k")
    assert argument == "ViT-B-32/laion2b_s34b_b79k"


@pytest.mark.parametrize(
    ("path", "backend"),
    [("runs/my best.pt", "ultralytics"), ("C:/x/model.ONNX", "onnx"), ("./amogus.onnx", "onnx")],
)
def test_a_model_file_is_a_detector_by_its_extension(path, backend):
    build, argument = registry.resolve("detector", path)
    assert (build, argument) == (registry.resolve("detector", backend)[0], path)


def test_an_unknown_name_is_answered_with_the_closest_one_and_all_of_them():
    with pytest.raises(UsageError, match="no detector called 'amongus'") as caught:
        registry.load_detector("amongus")
    assert "did you mean 'amogus'" in caught.value.hint
    assert all(name in caught.value.hint for name in registry.names("detector"))


def test_a_missing_model_file_is_said_so():
    with pytest.raises(WeightsError, match="cannot be read"):
        registry.load_detector("no/such/file.onnx")


def test_the_fakes_are_in_no_public_list():
    assert not any("fake" in name for kind in registry.BUILT_IN for name in registry.BUILT_IN[kind])


@pytest.mark.usefixtures("plugin")
def test_a_plug_in_is_listed_and_loaded_like_one_of_ours():
    assert registry.names("detector") == (*registry.BUILT_IN["detector"], "test-fake")
    assert registry.load_detector("test-fake:big").name == "test-fake:big"
    assert "test-fake" not in registry.names("embedder")


def test_listing_names_imports_no_backend():
    program = (
        "import sys; from amogus_search import registry; registry.names('detector');"
        "print([m for m in ('numpy', 'torch', 'openvino', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
