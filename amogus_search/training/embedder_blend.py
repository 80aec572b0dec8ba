"""The weighted mean of two runs of the embedder, one of which went on from the other."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from amogus_search.embedders.words import WordList, from_json
from amogus_search.errors import WeightsError
from amogus_search.training.embedder import TENSORS_FILE, WORDS_FILE, write_weights
from amogus_search.training.embedder_model import TwoTowers
from amogus_search.training.embedder_state import read_start


def blend_towers(first: Path, second: Path, share: float, out: Path) -> dict[str, int]:
    """Write the mean of two runs' towers; returns the files' sizes in bytes.

    Such means hold for data that neither run saw better than either run (Wortsman et al. 2022, "Robust fine-tuning of
    zero-shot models"), as long as the second started from the first or both from a third.

    Args:
        first, second: folders of `amogus train embedder`. The words are those of the second.
        share: how much of the second, 0..1.
        out: the folder to write.

    Raises:
        WeightsError: one of them cannot be read, or their towers are of other shapes.
    """
    try:
        words, _ = from_json((second / WORDS_FILE).read_text())
    except OSError as error:
        raise WeightsError(
            f"{error.filename} cannot be read: {error.strerror}", "give the OUT of `amogus train embedder`"
        ) from error
    one, other = (_towers(run, words) for run in (first, second))
    towers = TwoTowers(len(words.words) + 2)
    towers.load_state_dict({name: _mean(one[name], tensor, share) for name, tensor in other.items()})
    out.mkdir(parents=True, exist_ok=True)
    return write_weights(towers.eval(), words, out)


def _towers(run: Path, words: WordList) -> dict[str, Tensor]:
    """A run's tensors for these words; a word that it did not know has the vector of an unknown one."""
    tensors, known = read_start(run / TENSORS_FILE)
    towers = TwoTowers(len(words.words) + 2)
    with torch.no_grad():
        towers.text.words.weight[:] = tensors["text.words.weight"][1]
    try:
        towers.take_over(tensors, known, words.words)
    except RuntimeError as error:
        raise WeightsError(f"{run} has towers of another shape: {error}", "blend runs of one version") from error
    return dict(towers.state_dict())


def _mean(one: Tensor, other: Tensor, share: float) -> Tensor:
    if not other.is_floating_point():
        return other
    return one * (1 - share) + other * share
