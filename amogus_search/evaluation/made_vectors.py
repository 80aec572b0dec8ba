"""Made vectors that lie as real crop vectors do, as many as wanted: to measure search where no library is large enough.

A vector is a common direction, plus the place of its cluster, plus its own deviation, scaled to unit length. Sizes of
clusters fall by a power law; what clusters and members deviate by falls from direction to direction by a power too.

The numbers were measured on the crops of 1,500 findings of the embedded detector, by the embedded embedder (256
numbers): their mean has length 0.84, members lie 0.20 from their cluster's centre (root mean square, clusters of about
twelve), and the variances fall with the power 2.2 between clusters and 1.7 within. Random windows of 128 COCO photos
lie closer together (0.94, 0.12, 2.5, 2.1), which makes searching easier. `measured` takes these numbers of any vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.types import Vectors

CHUNK = 16_384
_MEMBERS = 12
_QUERIES = 2**32 - 1
"""The place of the queries among the chunks: far behind any that is made."""


@dataclass(frozen=True)
class Cloud:
    """How vectors lie.

    dimension: numbers a vector
    clusters:  how many centres
    sizes:     the cluster of rank r has a share proportional to r to minus this power
    mean:      length of the mean of all
    spread:    root mean square distance of members from their centre
    between, within: the variance of direction i is proportional to i to minus this power, of centres and of members
    seed:      another one gives another cloud
    """

    dimension: int = 512
    clusters: int = 20_000
    sizes: float = 1.0
    mean: float = 0.84
    spread: float = 0.20
    between: float = 2.2
    within: float = 1.7
    seed: int = 0


class MadeVectors:
    """Vectors of a cloud; any chunk can be made by itself, and is the same whichever others are made."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        random = np.random.default_rng(cloud.seed)
        d = cloud.dimension
        self._axes = np.linalg.qr(random.standard_normal((d, d)))[0].astype(np.float32)
        between = max(1 - cloud.mean**2 - cloud.spread**2, 0.0)
        places = random.standard_normal((cloud.clusters, d), np.float32) * _deviations(d, cloud.between, between)
        shares = np.arange(1, cloud.clusters + 1) ** -cloud.sizes
        self._until = np.cumsum(shares) / shares.sum()
        places -= (shares / shares.sum()).astype(np.float32) @ places  # the mean of all, not of all clusters
        places[:, 0] += cloud.mean  # directions are turned anyway
        self._centres = places
        self._within = _deviations(d, cloud.within, cloud.spread**2)

    def chunks(self, rows: int) -> Iterator[Vectors]:
        """The first so many vectors, (n, d) float32 at a time, n = CHUNK but for the last."""
        for number, start in enumerate(range(0, rows, CHUNK)):
            yield self._made(number, min(CHUNK, rows - start))

    def queries(self, count: int) -> Vectors:
        """(count, d) more of them, none of which is in a chunk."""
        return self._made(_QUERIES, count)

    def _made(self, number: int, count: int) -> Vectors:
        random = np.random.default_rng([self.cloud.seed, number])
        cluster = np.searchsorted(self._until, random.random(count))
        deviation = random.standard_normal((count, self.cloud.dimension), np.float32) * self._within
        rows = (self._centres[np.minimum(cluster, len(self._centres) - 1)] + deviation) @ self._axes
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def measured(vectors: Vectors, seed: int = 0) -> Cloud:
    """The cloud that (n, d) unit vectors lie in, by clusters of about twelve; the law of sizes is not measured.

    Raises:
        ValueError: fewer than a hundred vectors.
    """
    if len(vectors) < 100:
        raise ValueError(f"{len(vectors)} vectors are too few")
    clusters = len(vectors) // _MEMBERS
    centres, member_of = _clustered(vectors, clusters, np.random.default_rng(seed))
    deviations = vectors - centres[member_of]
    several = np.bincount(member_of, minlength=clusters)[member_of] > 1
    inside = deviations[several]
    return Cloud(
        dimension=vectors.shape[1],
        clusters=clusters,
        mean=float(np.linalg.norm(vectors.mean(axis=0))),
        spread=float(np.sqrt((inside**2).sum(axis=1).mean())),
        between=_power(vectors - vectors.mean(axis=0)),
        within=_power(inside),
        seed=seed,
    )


def _deviations(dimension: int, power: float, energy: float) -> NDArray[np.float32]:
    """Standard deviation of each direction, so that the variances sum up to an energy."""
    variances = np.arange(1, dimension + 1) ** -power
    return np.asarray(np.sqrt(variances * energy / variances.sum()), np.float32)


def _power(deviations: Vectors) -> float:
    """The power by which the variances of principal directions fall, over the first hundred."""
    variances = np.linalg.eigvalsh((deviations.T @ deviations).astype(np.float64))[::-1][:100]
    variances = np.maximum(variances, variances[0] * 1e-9)
    slope = np.polyfit(np.log(np.arange(1, len(variances) + 1)), np.log(variances), 1)[0]
    return float(-slope)


def _clustered(vectors: Vectors, count: int, random: np.random.Generator) -> tuple[Vectors, NDArray[np.int64]]:
    """k-means: (count, d) means and the (n,) cluster of each vector."""
    centres = vectors[random.permutation(len(vectors))[:count]].copy()
    for _ in range(10):
        member_of = np.argmax(vectors @ centres.T - (centres**2).sum(axis=1) / 2, axis=1)
        for place in range(count):
            if (member_of == place).any():
                centres[place] = vectors[member_of == place].mean(axis=0)
    return centres, member_of
