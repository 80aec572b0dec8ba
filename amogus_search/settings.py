"""Every tunable once, with its unit and the reason for its value. Core functions take plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PREPROCESSING_VERSION = 4
"""Raised whenever tiling, resizing or cropping changes what a model sees; part of every identity."""


@dataclass(frozen=True)
class Profile:
    """How closely a picture is looked at.

    full_px:      the whole frame is fitted into squares of these sides (pixels); the smaller one sees what fills it
    native_tiles: also cut a frame much larger than a tile into tiles at its own size, and at half sizes in between
    enlarge:      also cut tiles enlarged by these factors, for the tiny
    enlarge_pixel_art: the same for pixel art, whose figures are a few pixels tall
    decode_px:    a picture need not be decoded any longer than this, since nothing in it is looked at more closely;
        JPEG files are then decoded at a half, a quarter or an eighth, which is much quicker. None: all of it is needed
    """

    name: str
    full_px: tuple[int, ...]
    native_tiles: bool
    enlarge: tuple[int, ...] = ()
    enlarge_pixel_art: tuple[int, ...] = ()
    decode_px: int | None = None


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "fast": Profile("fast", full_px=(640,), native_tiles=False, decode_px=1280),
        "balanced": Profile("balanced", full_px=(640, 320), native_tiles=True),
        "thorough": Profile(
            "thorough", full_px=(640, 320), native_tiles=True, enlarge=(2, 4), enlarge_pixel_art=(2, 4, 8, 12)
        ),
    }
)
NATIVE = Profile("native", full_px=(), native_tiles=False, enlarge=(1,), enlarge_pixel_art=(1,))
"""For detectors that read single pixels: tiles at the picture's own size only."""
NOWHERE = Profile("nowhere", full_px=(), native_tiles=False, decode_px=1024)
"""For an index without a detector: no window at all."""
DEFAULT_PROFILE = "balanced"


@dataclass(frozen=True)
class TilingSettings:
    """overlap_ratio: share of a tile that its neighbour sees too; anything smaller is whole in one of them.

    much_larger: native tiles are cut when the frame's long side is this many tiles or more
    max_enlarged_px: a frame longer than this when enlarged is not enlarged by that factor (cost grows by the square)
    max_enlarged_pixel_art_px: the same for pixel art: canvases are large, and their figures five pixels tall
    empty_std: a tile whose pixels vary less than this (0..255) has no structure and is not paid for
    hint_confidence: tiles of the highest zoom are paid for only where the zoom below has a candidate of at least this
        raw score, far below any that is reported; 0 pays for all. `amogus bench tiles` says what it saves and costs
    """

    overlap_ratio: float = 0.2
    much_larger: float = 1.5
    max_enlarged_px: int = 8192
    max_enlarged_pixel_art_px: int = 24_576
    empty_std: float = 0.7
    hint_confidence: float = 0.003


@dataclass(frozen=True)
class DetectSettings:
    """min_confidence: findings below it are not kept at all (raw detector score); low, since the calibration decides.

    nms_iou: two boxes that overlap more are one finding
    nms_ios: likewise for the share of the smaller box that the larger one covers (parts of a finding cut by a tile)
    nms_part_ratio: the rule of nms_ios leaves alone a box with less than this share of the other's area: a small amogus
        in front of a large one is no part of it
    max_per_megapixel: the best so many are kept for each (at least one) megapixel of the picture, so that no mosaic
        can fill the index
    """

    min_confidence: float = 0.10
    nms_iou: float = 0.5
    nms_ios: float = 0.8
    nms_part_ratio: float = 0.3
    max_per_megapixel: int = 2000


@dataclass(frozen=True)
class CropSettings:
    """pad_ratio: context around a box, as a share of its longer side; the crop is square."""

    pad_ratio: float = 0.15


@dataclass(frozen=True)
class EmbedSettings:
    """batch: regions at once for an embedder or verifier that does not say how many it likes.

    images_waiting: pictures that may wait for a batch to fill before a smaller one is run: what a kill can cost on top
        of a batch of writes
    bytes_waiting: pixels that may wait for it, so that huge pictures do not pile up
    """

    batch: int = 8
    images_waiting: int = 16
    bytes_waiting: int = 256 * 1024 * 1024


@dataclass(frozen=True)
class DecodeSettings:
    """max_pixels: by header, before decoding (a genuine 200-megapixel phone photo must pass).

    max_bytes: size of the file
    timeout_s: wall clock for one file
    worker_memory_bytes: address space of one decoding process
    workers: decoding processes
    read_ahead: pictures decoded ahead of the models
    read_ahead_bytes: pixels decoded ahead of the models, so that huge pictures do not pile up
    """

    max_pixels: int = 250_000_000
    max_bytes: int = 512 * 1024 * 1024
    timeout_s: float = 30.0
    worker_memory_bytes: int = 4 * 1024**3
    workers: int = 2
    read_ahead: int = 8
    read_ahead_bytes: int = 512 * 1024 * 1024


@dataclass(frozen=True)
class AheadSettings:
    """What lies ready for the models while they look at something else.

    pictures: with their windows planned and cut; more than one, since some need many passes and some need none
    bytes: of their pixels and windows; more than one picture only up to here
    windows: cut of one picture; the rest is cut when it is wanted, so that a huge one does not fill the memory
    """

    pictures: int = 4
    bytes: int = 128 * 1024 * 1024
    windows: int = 24


@dataclass(frozen=True)
class IndexSettings:
    """commit_images: pictures in one transaction; a kill costs at most so many pictures' work.

    commit_seconds: or this long, for slow profiles
    racy_ns: a file changed less than this before the scan is hashed even if its stat looks unchanged
    gone_share, gone_least: more missing files than both stop the run until the user confirms, since an
        unmounted disk looks like that
    """

    commit_images: int = 64
    commit_seconds: float = 20.0
    racy_ns: int = 2_000_000_000
    gone_share: float = 0.3
    gone_least: int = 50


@dataclass(frozen=True)
class SearchSettings:
    """pool_factor, pool_least: how many candidates are ranked by something else than what found them.

    That is by amogusness or mixed with terms, diverse or folded; so many times the hits wanted, and at least so many

    pool_most: with a lowest similarity all that reach it are ranked, up to so many
    near_duplicate: cosine from which two pictures look the same. With the embedded embedder 56 photos and their copies
        at half the size or JPEG quality 50 were above 0.997, the nearest other photo of nine in ten below 0.993
    diversity: trade between relevance (1) and difference (0)
    """

    pool_factor: int = 20
    pool_least: int = 500
    pool_most: int = 50_000
    near_duplicate: float = 0.995
    diversity: float = 0.5


@dataclass(frozen=True)
class SearchBudget:
    """What searching by similarity may cost, and how good it must be; `store.plan` chooses what keeps to it.

    recall:       share of the ten truly nearest regions that must be found; 1 compares with every region
    memory_bytes: how large the search structure may be; it goes before recall
    latency_ms:   up to what time for one query every region is compared, the surest way; recall goes before it
    mapped:       the structure may be larger than memory_bytes, since the system reads it from the disk as needed
    structure:    FAISS' name of a structure for those who know better; None: chosen
    """

    recall: float = 0.95
    memory_bytes: int = 2_000_000_000
    latency_ms: float = 10.0
    mapped: bool = False
    structure: str | None = None


@dataclass(frozen=True)
class StructureSettings:
    """When a search structure is built anew, and from what.

    tail_share:    regions outside it that are compared one by one, as a share of those in it, before it is built anew
    deleted_share: regions in it that are gone, as a share of it, likewise
    queries:       held-out regions that it is tuned and measured with; none of them is trained on
    training_rows: at most so many regions are trained on
    seed:          of what is drawn at random
    """

    tail_share: float = 0.05
    deleted_share: float = 0.2
    queries: int = 128
    training_rows: int = 262_144
    seed: int = 0


@dataclass(frozen=True)
class WatchSettings:
    """Seconds, all of them, but for `many`.

    tick_s:    between looks at whether the folders are there and somebody wants a stop; found out later than this
    quiet_s:   nothing happened to a path for so long: then it is taken for written
    longest_s: and after this it is taken in any case, as it is
    retry_s:   until another try when another process writes the index
    again_s:   likewise after an error, and between looks through a folder that the system cannot watch
    rescan_s:  between looks through everything, in case the system lost an event without saying so
    many:      so many changed paths at once are looked for by a look through everything: it costs less than as many
        single ones, and the system may have dropped some of so many events
    """

    tick_s: float = 0.5
    quiet_s: float = 1.0
    longest_s: float = 30.0
    retry_s: float = 2.0
    again_s: float = 30.0
    rescan_s: float = 600.0
    many: int = 1000


DETECT = DetectSettings()
TILING = TilingSettings()
CROPS = CropSettings()
EMBED = EmbedSettings()
DECODE = DecodeSettings()
AHEAD = AheadSettings()
INDEX = IndexSettings()
SEARCH = SearchSettings()
BUDGET = SearchBudget()
STRUCTURE = StructureSettings()
WATCH = WatchSettings()
"""The defaults, ready to be used as default arguments (all of them are immutable)."""

DEFAULT_THRESHOLD = 0.5
"""amogusness from which `detect`, `convert` and `status` count a finding (D6b)."""

STRICTNESS: Mapping[str, float] = MappingProxyType({"strict": 0.8, "normal": 0.5, "loose": 0.2, "unhinged": 0.02})
"""Name -> lowest amogusness, that is, the share of such findings that a person would call one."""
