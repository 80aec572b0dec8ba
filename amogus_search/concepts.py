"""From pictures with and without something to a concept: a direction, and how well it tells unseen pictures apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from amogus_search.concept_folders import Concept
from amogus_search.core.directions import METHODS, Method, folds, held_out_margins
from amogus_search.core.intervals import auc_interval, proportion_interval
from amogus_search.core.types import DecodedImage, SkippedImage, Vectors
from amogus_search.errors import UsageError
from amogus_search.evaluation.retrieval import area_under_curve
from amogus_search.pipeline.progress import Progress, Silent
from amogus_search.ports import Decoder, Embedder
from amogus_search.sources.folder import FolderSource
from amogus_search.store.index import Index
from amogus_search.store.wholes import Wholes

LEAST = 8
"""Different pictures of each kind: of fewer, not even eight right out of eight would say much (63 to 100 %)."""
FOLDS = 5
_AT_ONCE = 16
_BOTH_95 = 0.975
"""Confidence of each of two shares, so that both bounds hold together in 95 of 100 cases."""
SILENT = Silent()


@dataclass(frozen=True, eq=False)
class Examples:
    """Vectors of one kind, each picture once.

    vectors: (n, d) float32, unit rows
    ids:     n digests that say what each is: of the pixels, or the crop id of a finding
    groups:  n names of what must not be split between making and testing: a finding shares that of its picture
    skipped: files that gave no picture
    repeats: how many were left out for having the very pixels of another one
    """

    vectors: Vectors
    ids: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    skipped: tuple[SkippedImage, ...] = ()
    repeats: int = 0

    def __len__(self) -> int:
        return len(self.vectors)

    def joined(self, other: Examples) -> Examples:
        """These, then those of the other that are not among them."""
        mine = set(self.ids)
        new = [row for row, one in enumerate(other.ids) if one not in mine]
        return Examples(
            np.concatenate([self.vectors, other.vectors[new]]),
            (*self.ids, *(other.ids[row] for row in new)),
            (*self.groups, *(other.groups[row] for row in new)),
            (*self.skipped, *other.skipped),
            self.repeats + other.repeats + len(other) - len(new),
        )

    def without(self, ids: Iterable[str]) -> Examples:
        """The same without some of them."""
        gone = set(ids)
        kept = [row for row, one in enumerate(self.ids) if one not in gone]
        return Examples(
            self.vectors[kept],
            tuple(self.ids[row] for row in kept),
            tuple(self.groups[row] for row in kept),
            self.skipped,
            self.repeats,
        )


@dataclass(frozen=True)
class HeldOut:
    """What a method makes of pictures that it was not made of.

    accuracy:     mean of the shares of positives and of negatives that are called right; a coin has 0.5
    accuracy_95:  bounds that hold at least that often (exact binomial ones of both shares together)
    auc, auc_95:  chance that a positive scores above a negative, and its bounds
    """

    accuracy: float
    accuracy_95: tuple[float, float]
    auc: float
    auc_95: tuple[float, float]


def examples_in(
    paths: Sequence[str | PathLike[str]], embedder: Embedder, decoder: Decoder, progress: Progress = SILENT
) -> Examples:
    """The pictures of some folders and files as examples; a file that cannot be read costs only itself.

    Args:
        paths: folders and files.
        embedder: makes the vectors.
        decoder: reads the files.
        progress: told how far it is.

    Raises:
        AmogusError: a path does not exist, or there is no candidate at all.
    """
    found: dict[str, NDArray[np.float32]] = {}
    skipped: list[SkippedImage] = []
    waiting: list[DecodedImage] = []
    repeats = done = 0
    entries = FolderSource([str(path) for path in paths]).scan()
    for done, item in enumerate(decoder.decode(entries), start=1):
        if isinstance(item, SkippedImage):
            skipped.append(item)
        else:
            waiting.append(item)
        if len(waiting) == _AT_ONCE:
            repeats += _embed(waiting, embedder, found)
            waiting = []
        progress("looking", done, None, skipped=len(skipped))
    repeats += _embed(waiting, embedder, found)
    vectors = np.asarray(list(found.values()), np.float32).reshape(len(found), embedder.dimension)
    return Examples(vectors, tuple(found), tuple(found), tuple(skipped), repeats)


def examples_of_hits(index: Index, crop_ids: Iterable[str]) -> Examples:
    """Findings (by crop id) and whole images (by sha256) of an index as examples; no model runs.

    Raises:
        UsageError: the index does not hold one of them.
    """
    ids = tuple(dict.fromkeys(crop_ids))
    rows = [index.region_vector(one) for one in ids]
    pictures = Wholes(index).contents_of_crops(ids)
    vectors = np.asarray(rows, np.float32).reshape(len(ids), -1 if ids else 0)
    return Examples(vectors, ids, tuple(pictures.get(one, one) for one in ids))


def make_concept(
    name: str,
    positive: Examples,
    negative: Examples,
    embedder: tuple[str, str],
    *,
    method: Method | None = None,
    seed: int = 0,
) -> Concept:
    """A concept of examples with and without it.

    Which pictures are kept aside goes by their content, so that what is the same is never on both sides; examples
    that are called both are left out. The concept itself is made of all the others.

    Args:
        name: what it is called.
        positive, negative: examples with it and without it, in one embedder's space.
        embedder: that one's name and fingerprint.
        method: None takes the one with the better held-out accuracy, the simpler one if they are equal.
        seed: of the partition.

    Raises:
        UsageError: there are too few of either kind, or nothing tells them apart.
    """
    both = set(positive.ids) & set(negative.ids)
    positive, negative = positive.without(both), negative.without(both)
    _require_enough(positive, negative, len(both))
    vectors = np.concatenate([positive.vectors, negative.vectors])
    kinds = np.arange(len(vectors)) < len(positive)
    groups = (*positive.groups, *negative.groups)
    fold = folds(groups, kinds, min(FOLDS, _fewest_groups(positive, negative)), seed)
    try:
        tried = {one: _measured(held_out_margins(vectors, kinds, fold, one), kinds) for one in METHODS}
        chosen = max(METHODS, key=lambda one: (tried[one].accuracy, tried[one].auc)) if method is None else method
        direction = METHODS[chosen](vectors, kinds)
    except ValueError as error:
        raise UsageError(
            f"nothing tells the positives from the negatives: {error}", "give pictures that differ in it"
        ) from error
    made = {
        "method": chosen,
        "chosen_by": "the user" if method else "held-out accuracy",
        "positive": len(positive),
        "negative": len(negative),
        "skipped": len(positive.skipped) + len(negative.skipped),
        "repeats": positive.repeats + negative.repeats,
        "in_both": len(both),
        "folds": int(fold.max()) + 1,
        "seed": seed,
        "content": _digest(positive, negative),
    }
    metrics = {
        **_figures(tried[chosen]),
        "threshold": round(direction.threshold, 6),
        "tried": {one: _figures(measured) for one, measured in tried.items()},
    }
    return Concept(name, direction.unit.astype(np.float32), *embedder, made, metrics)


def _embed(images: Sequence[DecodedImage], embedder: Embedder, found: dict[str, NDArray[np.float32]]) -> int:
    """Adds the vectors of pictures that are not there yet; how many were."""
    new: dict[str, DecodedImage] = {}
    for image in images:
        digest = hashlib.blake2b(f"{image.pixels.shape}".encode() + image.pixels.tobytes(), digest_size=16).hexdigest()
        if digest not in found:
            new.setdefault(digest, image)
    if new:
        rows = embedder.embed_images([image.pixels for image in new.values()])
        found.update(zip(new, rows, strict=True))
    return len(images) - len(new)


def _require_enough(positive: Examples, negative: Examples, in_both: int) -> None:
    for what, some in (("positives", positive), ("negatives", negative)):
        if len(set(some.groups)) < LEAST:
            left_out = [f"{len(some.skipped)} could not be read"] if some.skipped else []
            left_out += [f"{some.repeats} are the same as others"] if some.repeats else []
            left_out += [f"{in_both} are called both"] if in_both else []
            raise UsageError(
                f"there are {len(set(some.groups))} different pictures as {what}, at least {LEAST} are needed"
                + (f" ({', '.join(left_out)})" if left_out else ""),
                "add more; thirty of each are a good start",
            )


def _fewest_groups(positive: Examples, negative: Examples) -> int:
    """Of either kind, as `folds` counts them: a group with both is a positive one."""
    mine = set(positive.groups)
    return max(2, min(len(mine), len(set(negative.groups) - mine)))


def _measured(margins: NDArray[np.float64], kinds: NDArray[np.bool_]) -> HeldOut:
    right = [((margins[kinds] > 0).sum(), kinds.sum()), ((margins[~kinds] <= 0).sum(), (~kinds).sum())]
    bounds = [proportion_interval(int(count), int(total), _BOTH_95) for count, total in right]
    auc = area_under_curve(margins[kinds].astype(np.float32), margins[~kinds].astype(np.float32))
    return HeldOut(
        float(np.mean([count / total for count, total in right])),
        (float(np.mean([low for low, _ in bounds])), float(np.mean([high for _, high in bounds]))),
        auc,
        auc_interval(auc, int(kinds.sum()), int((~kinds).sum())),
    )


def _figures(measured: HeldOut) -> dict[str, object]:
    return {
        "accuracy": round(measured.accuracy, 4),
        "accuracy_95": [round(value, 4) for value in measured.accuracy_95],
        "auc": round(measured.auc, 4),
        "auc_95": [round(value, 4) for value in measured.auc_95],
    }


def _digest(positive: Examples, negative: Examples) -> str:
    """Says whether two concepts were made of the same examples."""
    text = "\n".join([*sorted(positive.ids), "", *sorted(negative.ids)])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
