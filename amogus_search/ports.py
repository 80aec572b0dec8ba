"""The borders of the package: what each kind of adapter promises to the pipeline.

Nothing inside asks which backend it has. All of them keep their input's order, accept empty input
and never change what they are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.conversion import Job
from amogus_search.core.motif import Motif
from amogus_search.core.types import DecodedImage, Detections, FileEntry, Pixels, Scores, SkippedImage, Vectors


class Source(Protocol):
    """Where pictures come from."""

    def scan(self) -> Iterator[FileEntry]:
        """Every candidate file in sorted order, also those that cannot be used (with `problem` set)."""
        ...


class Decoder(Protocol):
    """Turns files into upright pixels; a bad file costs that file alone."""

    def decode(self, entries: Iterator[FileEntry]) -> Iterator[DecodedImage | SkippedImage]:
        """One result an entry, in the same order, reading ahead by a bounded number of pictures."""
        ...


class Detector(Protocol):
    """Finds a motif in tiles of one fixed size.

    name:        what the user typed to get it
    fingerprint: changes when, and only when, its answers may change (weights, preprocessing, precision)
    tile_px:     side of the largest square tiles it takes; smaller ones are multiples of 32
    batch:       how many tiles it likes at once
    motif:       the keypoints and evidence its answers come with
    calibration: name of a calibration that was fitted for it, or None

    One that reads single pixels may have `native_only = True`: then every picture comes in tiles at its own size and
    nothing is resized, whatever the profile. One that reports even faint candidates may say down to which confidence,
    as `floor`; then tiles of the highest zoom are skipped where the zoom below has no candidate at all. One that also
    takes tiles with a shorter side, which is then a multiple of 32, has `rectangular = True`: none is paid for padding.
    One that looks at several tiles at once says at how many as `parallel`, and has `begin(tiles)`: as `detect_tiles`,
    but it returns at once, with a function that waits for the same findings. It is called from one thread. One that
    needs time for the first tile of a shape may have `expect(height, width)`, which another thread calls before.
    """

    name: str
    fingerprint: str
    tile_px: int
    batch: int
    motif: Motif
    calibration: str | None

    def detect_tiles(self, tiles: NDArray[np.uint8]) -> list[Detections]:
        """Findings in each of (b, height, width, 3) uint8 RGB tiles, in pixels of that tile, zoom 1."""
        ...


class Embedder(Protocol):
    """Maps crops and texts into one space of unit vectors.

    dimension:   length of its vectors
    name, fingerprint: as for `Detector`; preprocessing belongs to the embedder

    One that likes another number of crops at once than `settings.EMBED.batch` says so as `batch`; so does a `Verifier`.
    One that has learnt from captions may name `templates`, as ("a photo of a {}.", ...): a query of a few words is
    then the mean of them around it. One with a motif of its own may say where it lies, as `motif_direction()`.
    """

    name: str
    fingerprint: str
    dimension: int

    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        """(n, dimension) unit vectors of crops of any size."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) unit vectors of texts."""
        ...

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of the text that the model never saw; empty if it has an open vocabulary."""
        ...


class Verifier(Protocol):
    """The second opinion on a finding: does its crop look like the motif, or like an ordinary photo?

    fingerprint: that of the embedder it asks; an index made with the same embedder need not run it twice
    """

    fingerprint: str

    def margin(self, images: Sequence[Pixels]) -> Scores:
        """(n,) margins of crops: above zero, more motif than photo."""
        ...

    def margin_of_vectors(self, vectors: Vectors) -> Scores:
        """(n,) margins of crops whose vectors the embedder of this fingerprint has made already."""
        ...


class Converter(Protocol):
    """Makes the motif of what is in a crop.

    name, fingerprint: as for `Detector`; the fingerprint covers weights and settings of the back end, not the jobs
    side_px:  side of the square crops it likes; None: any size and shape, then it gets the picture's own pixels
    batch:    how many jobs it likes at once
    parallel: how many calls of `convert` it bears at the same time, from threads; 1: one after the other

    One for which another mask is better than the usual one may name it as `mask`, and another prompt as `prompt`. One
    that can be closed has `close()`.
    """

    name: str
    fingerprint: str
    side_px: int | None
    batch: int
    parallel: int

    def convert(self, jobs: Sequence[Job]) -> list[Pixels]:
        """One picture a job, as large as its crop; what it changes beyond the job's mask is not used.

        The same job gives the same picture, whatever else is in the batch, as far as the back end can promise that.

        Raises:
            ConversionError: these jobs failed; others may still go well.
            BackendGoneError: no job can go well any more.
        """
        ...
