from pathlib import Path

import numpy as np
import pytest

from amogus_search.embedders.words import WordList
from amogus_search.errors import WeightsError

pytestmark = pytest.mark.heavy
torch = pytest.importorskip("torch")
pytest.importorskip("onnx")


def run(folder: Path, words: tuple[str, ...], value: float) -> Path:
    """A run all of whose numbers are the same, but for the word vectors, which count up."""
    from amogus_search.training.embedder import write_weights
    from amogus_search.training.embedder_model import TwoTowers

    towers = TwoTowers(len(words) + 2)
    with torch.no_grad():
        for parameter in towers.parameters():
            parameter.fill_(value)
        for number in range(len(words) + 2):
            towers.text.words.weight[number] = value * 10 + number
    folder.mkdir()
    write_weights(towers.eval(), WordList(words), folder)
    return folder


def test_a_blend_lies_between_two_runs_word_by_word(tmp_path: Path) -> None:
    """A word that the first never knew is blended with what it made of unknown words."""
    from amogus_search.training.embedder import TENSORS_FILE
    from amogus_search.training.embedder_blend import blend_towers
    from amogus_search.training.embedder_state import read_start

    first = run(tmp_path / "first", ("hat", "red"), 1.0)
    second = run(tmp_path / "second", ("red", "visor"), 2.0)
    blend_towers(first, second, 0.25, tmp_path / "out")
    tensors, words = read_start(tmp_path / "out" / TENSORS_FILE)
    assert words == ["red", "visor"]
    assert tensors["text.project.bias"].unique().tolist() == [1.25]
    rows = tensors["text.words.weight"][:, 0].tolist()
    expected = [10 * 0.75 + 20 * 0.25, 11 * 0.75 + 21 * 0.25, 13 * 0.75 + 22 * 0.25, 11 * 0.75 + 23 * 0.25]
    np.testing.assert_allclose(rows, expected)


def test_a_folder_without_towers_is_refused(tmp_path: Path) -> None:
    from amogus_search.training.embedder_blend import blend_towers

    first = run(tmp_path / "first", ("hat",), 1.0)
    with pytest.raises(WeightsError, match="cannot be read"):
        blend_towers(first, tmp_path, 0.5, tmp_path / "out")
