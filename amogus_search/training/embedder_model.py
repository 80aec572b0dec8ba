"""Both towers with their training losses, and the prototypes of the verifier."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from amogus_search.embedders.words import Verifier
from amogus_search.training.embedder_towers import DIMENSION, ImageTower, TextTower

SHARPNESS = 20.0
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

    def take_over(self, tensors: Mapping[str, Tensor]) -> None:
        """All of an earlier model's tensors but its words, whose numbers may differ."""
        self.load_state_dict({k: v for k, v in tensors.items() if k != "text.words.weight"}, strict=False)

    def verifier(self) -> Verifier:
        """The prototypes as they travel with the weights."""
        with torch.no_grad():
            motif, other = (F.normalize(side, dim=1).numpy().copy() for side in (self.motif, self.other))
        return Verifier(motif, other, SHARPNESS)


def match_loss(images: Tensor, texts: Tensor, fits: Tensor, log_scale: Tensor) -> Tensor:
    """Symmetric contrastive loss where a caption may fit several crops, and a crop several captions.

    Args:
        images, texts: (b, d) unit vectors.
        fits: (b, b) bool, caption by crop, every row and column with at least one True.
        log_scale: logarithm of the inverse temperature.
    """
    logits = texts @ images.T * log_scale.clamp(max=4.0).exp()
    share = fits.float()
    to_images = -(share * logits.log_softmax(1)).sum(1) / share.sum(1)
    to_texts = -(share * logits.log_softmax(0)).sum(0) / share.sum(0)
    return (to_images.mean() + to_texts.mean()) / 2


def verify_loss(margin: Tensor, motif: Tensor) -> Tensor:
    """Logistic loss of the margins; both sides weigh the same whatever their numbers in the batch."""
    truth = motif.float()
    each = F.binary_cross_entropy_with_logits(margin * _MARGIN_GAIN, truth, reduction="none")
    weight = truth / truth.sum().clamp(min=1.0) + (1 - truth) / (1 - truth).sum().clamp(min=1.0)
    return (each * weight).sum() / 2


def hardness_of(margin: Tensor) -> NDArray[np.float32]:
    """(n,) in 0..1: how surely a crop would be taken for the motif."""
    return np.asarray(torch.sigmoid(margin.detach() * _MARGIN_GAIN).numpy(), np.float32)
