"""Both towers with their training losses, and the prototypes of the verifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from amogus_search.embedders.words import FIRST_WORD, Verifier
from amogus_search.training.embedder_towers import DIMENSION, ImageTower, TextTower

SHARPNESS = 20.0
_WORDS = "text.words.weight"
_MARGIN_GAIN = 12.0
_MOTIF_PROTOTYPES, _OTHER_PROTOTYPES = 8, 16


class TwoTowers(nn.Module):
    """Image tower, text tower and learned prototype vectors of the motif and of everything else."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.image = ImageTower()
        self.text = TextTower(words)
        self.scale = nn.Parameter(torch.tensor(2.7))
        self.motif = nn.Parameter(torch.randn(_MOTIF_PROTOTYPES, DIMENSION))
        self.other = nn.Parameter(torch.randn(_OTHER_PROTOTYPES, DIMENSION))

    def margin(self, vectors: Tensor) -> Tensor:
        """(n,) what `embedders.words.Verifier` computes, with gradients."""
        near = [
            torch.logsumexp(SHARPNESS * vectors @ F.normalize(side, dim=1).T, 1) - float(np.log(len(side)))
            for side in (self.motif, self.other)
        ]
        return (near[0] - near[1]) / SHARPNESS

    def take_over(self, tensors: Mapping[str, Tensor], words: Sequence[str], own_words: Sequence[str]) -> None:
        """An earlier model's tensors; words are matched by their text, new ones stay as chance made them."""
        table = self.text.words.weight.detach().clone()
        table[:FIRST_WORD] = tensors[_WORDS][:FIRST_WORD]
        numbers = {word: number for number, word in enumerate(words, FIRST_WORD)}
        for number, word in enumerate(own_words, FIRST_WORD):
            if word in numbers:
                table[number] = tensors[_WORDS][numbers[word]]
        self.load_state_dict({**tensors, _WORDS: table})

    def verifier(self) -> Verifier:
        """The prototypes as they travel with the weights."""
        with torch.no_grad():
            motif, other = (F.normalize(side, dim=1).numpy().copy() for side in (self.motif, self.other))
        return Verifier(motif, other, SHARPNESS)


def match_loss(images: Tensor, texts: Tensor, fits: Tensor, log_scale: Tensor) -> Tensor:
    """Symmetric contrastive loss where a caption may fit several crops, and a crop several captions.

    Each fitting pair competes against all that does not fit, and never against another fitting pair: else
    half of the loss of "a crewmate" would be that it cannot choose among a hundred crewmates.

    Args:
        images, texts: (b, d) unit vectors.
        fits: (b, b) bool, caption by crop, every row and column with at least one True.
        log_scale: logarithm of the inverse temperature.
    """
    logits = texts @ images.T * log_scale.clamp(max=4.0).exp()
    return (_against_misfits(logits, fits) + _against_misfits(logits.T, fits.T)) / 2


def _against_misfits(logits: Tensor, fits: Tensor) -> Tensor:
    """Mean over rows of the mean over a row's fitting entries of -log(e^fit / (e^fit + sum of e^misfit))."""
    misfits = logits.masked_fill(fits, -1e4).logsumexp(1, keepdim=True)
    share = fits.float()
    return (F.softplus(misfits - logits) * share).sum(1).div(share.sum(1)).mean()


def likeness_loss(images: Tensor, alike: Tensor, log_scale: Tensor) -> Tensor:
    """Supervised contrastive loss among pictures (Khosla et al., 2020): those that look alike lie near each other.

    Captions alone leave two renders of one look apart, since most of them mention a part of it.

    Args:
        images: (m, d) unit vectors.
        alike: (k, m, m) bool, k ways to be alike; a row without any partner is left out.
        log_scale: as in `match_loss`.
    """
    logits = images @ images.T * log_scale.clamp(max=4.0).exp()
    logits = logits.masked_fill(torch.eye(len(images), dtype=torch.bool), -1e4)
    losses = [_against_misfits(logits[rows], same[rows]) for same in alike if (rows := same.any(1)).any()]
    return torch.stack(losses).mean() if losses else logits.sum() * 0.0


def verify_loss(margin: Tensor, motif: Tensor) -> Tensor:
    """Logistic loss of the margins; both sides weigh the same whatever their numbers in the batch."""
    truth = motif.float()
    each = F.binary_cross_entropy_with_logits(margin * _MARGIN_GAIN, truth, reduction="none")
    weight = truth / truth.sum().clamp(min=1.0) + (1 - truth) / (1 - truth).sum().clamp(min=1.0)
    return (each * weight).sum() / 2


def hardness_of(margin: Tensor) -> NDArray[np.float32]:
    """(n,) in 0..1: how surely a crop would be taken for the motif."""
    return np.asarray(torch.sigmoid(margin.detach() * _MARGIN_GAIN).numpy(), np.float32)
