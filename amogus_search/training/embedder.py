"""Training the embedder: draw crops once, train both towers on them, write the weights."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from amogus_search.core.ids import fingerprint
from amogus_search.embedders.words import WordList, to_json
from amogus_search.errors import AmogusError
from amogus_search.exports.folders import write_whole
from amogus_search.settings import CropSettings
from amogus_search.training.embedder_batches import Batch, batches, epoch_rows
from amogus_search.training.embedder_crops import USUAL_COUNTS, CropCounts, CropSet, draw_crops, open_crops, store_crops
from amogus_search.training.embedder_export import image_tower_onnx, text_tower_onnx
from amogus_search.training.embedder_mistakes import mistaken_crops
from amogus_search.training.embedder_model import TwoTowers, hardness_of, likeness_loss, match_loss, verify_loss
from amogus_search.training.embedder_photos import load_photos, native_windows
from amogus_search.training.embedder_state import read_backbone, read_start, tensors_file
from amogus_search.training.embedder_words import gather_words
from amogus_search.training.run_folder import append_row, claim

IMAGE_FILE, TEXT_FILE, WORDS_FILE = "amogus_clip_image.onnx", "amogus_clip_text.onnx", "amogus_clip_words.json"
TENSORS_FILE = "amogus_clip.safetensors"
_LOG_FIELDS = (
    "epoch",
    "seconds",
    "match_loss",
    "verify_loss",
    "likeness_loss",
    "verify_errors",
    "inverse_temperature",
)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class EmbedderTraining:
    """Everything that shapes a training run.

    out:            folder for crops, checkpoint, log and weights
    photos:         folder of photos, see `embedder_photos`; None trains on drawn grounds alone
    backbone:       tensors of a YOLOv8n (see `embedder_state.read_backbone`); None starts from chance
    start:          towers and prototypes of an earlier run that are taken over (see `embedder_state.read_start`)
    hard_negatives: what a detector wrongly took for the motif, see `embedder_mistakes`
    counts:         crops of each kind
    more_crops:     folders of earlier runs whose crops are used as well
    epochs, batch, seed, threads: as usual; a batch never mixes epochs
    rate, backbone_rate: highest learning rates of new layers and of the backbone
    frozen:         the backbone's first layers that keep their COCO weights; they cost the most and change the least
    verify_weight:  of the verifier's loss
    likeness_weight: of the loss that brings crops of one look together
    """

    out: Path
    photos: Path | None = None
    backbone: Path | None = None
    start: Path | None = None
    hard_negatives: Path | None = None
    counts: CropCounts = USUAL_COUNTS
    more_crops: tuple[Path, ...] = ()
    epochs: int = 10
    batch: int = 256
    rate: float = 1.5e-3
    backbone_rate: float = 4e-4
    frozen: int = 4
    verify_weight: float = 0.7
    likeness_weight: float = 0.5
    seed: int = 0
    threads: int = 1
    pad_ratio: float = CropSettings.pad_ratio

    def identity(self) -> str:
        """Digest of all that changes the result; threads and place do not."""
        parts = {k: str(v) for k, v in asdict(self).items() if k not in ("out", "threads")}
        return fingerprint(parts)


def train_embedder(config: EmbedderTraining, progress: Progress | None = None) -> dict[str, object]:
    """Train or go on training, then write the three weights files into `config.out`.

    Args:
        config: the run; a second call with the same one continues after the last finished epoch.
        progress: called with (stage, done, total).

    Returns:
        A summary for the model card: settings, crops, losses, sizes of the files.

    Raises:
        AmogusError: `config.out` holds a run with other settings, or the losses are no numbers any more.
    """
    torch.set_num_threads(config.threads)
    claim(config.out, config.identity(), asdict(config))
    crops = training_crops(config, progress)
    words = gather_words(crops.facts, np.random.default_rng(config.seed))
    run = _Run(config, crops, words)
    for epoch in range(run.epochs_done, config.epochs):
        run.epoch(epoch)
        if progress:
            progress("epochs", epoch + 1, config.epochs)
    sizes = write_weights(run.towers, words, config.out)
    return {
        "seed": config.seed,
        "epochs": config.epochs,
        "crops": len(crops),
        "words": len(words.words),
        "bytes": sizes,
        "log": list(csv.DictReader((config.out / "log.csv").open())),
    }


def training_crops(config: EmbedderTraining, progress: Progress | None = None) -> CropSet:
    """The run's crops, drawn on the first call and opened from disk afterwards, and those of earlier runs.

    Raises:
        AmogusError: an earlier run's folder has no crops.
    """
    own = _own_crops(config, progress)
    parts = [own]
    for folder in config.more_crops:
        found = open_crops(folder / "crops")
        if found is None:
            raise AmogusError(f"{folder} holds no crops", "give the OUT of a run of `amogus train embedder`")
        parts.append(found)
    if len(parts) == 1:
        return own
    facts = tuple(true for part in parts for true in part.facts)
    return CropSet(np.concatenate([part.pixels for part in parts]), facts)


def _own_crops(config: EmbedderTraining, progress: Progress | None) -> CropSet:
    found = open_crops(config.out / "crops")
    if found is not None:
        return found
    rng = np.random.default_rng(config.seed)
    photos = load_photos(config.photos, held_out=False) if config.photos else []
    photos += native_windows(config.photos, held_out=False, rng=rng) if config.photos else []
    report = (lambda done, total: progress("crops", done, total)) if progress else None
    drawn = draw_crops(config.counts, photos, pad_ratio=config.pad_ratio, rng=rng, progress=report)
    mistaken = list(mistaken_crops(config.hard_negatives, config.pad_ratio, rng))
    return store_crops(chain(mistaken, drawn), config.counts.total + len(mistaken), config.out / "crops")


def write_weights(towers: TwoTowers, words: WordList, folder: Path) -> dict[str, int]:
    """Write both towers, the word list, and all tensors to go on from; returns the files' sizes in bytes."""
    files = {
        IMAGE_FILE: image_tower_onnx(towers.image),
        TEXT_FILE: text_tower_onnx(towers.text),
        WORDS_FILE: to_json(words, towers.verifier()).encode(),
        TENSORS_FILE: tensors_file(towers.state_dict(), words.words),
    }
    for name, content in files.items():
        write_whole(folder / name, content)
    return {name: len(content) for name, content in files.items()}


class _Run:
    """The state that goes from epoch to epoch."""

    def __init__(self, config: EmbedderTraining, crops: CropSet, words: WordList) -> None:
        torch.manual_seed(config.seed)
        self._config, self._crops, self._words = config, crops, words
        self.towers = TwoTowers(len(words.words) + 2)
        if config.backbone:
            self.towers.image.load_backbone(read_backbone(config.backbone))
        if config.start:
            self.towers.take_over(*read_start(config.start), words.words)
        self.towers.to(memory_format=torch.channels_last)
        self.towers.image.model[: config.frozen].requires_grad_(False)
        backbone = list(self.towers.image.model[config.frozen :].parameters())
        known = {id(parameter) for parameter in self.towers.image.model.parameters()}
        fresh = [parameter for parameter in self.towers.parameters() if id(parameter) not in known]
        groups = [{"params": backbone, "rate": config.backbone_rate}, {"params": fresh, "rate": config.rate}]
        self._optimizer = torch.optim.AdamW(groups, lr=0.0, weight_decay=0.02)
        self._hardness = np.full(len(crops), 1.0, np.float32)
        self.epochs_done = self._resume()

    def epoch(self, epoch: int) -> None:
        """One pass; afterwards the checkpoint and the log hold it."""
        config, began = self._config, time.monotonic()
        rng = np.random.default_rng([config.seed, epoch])
        rows = epoch_rows(self._crops.facts, self._hardness, rng)
        steps = max(1, len(rows) // config.batch)
        sums = np.zeros(4)
        for step, batch in enumerate(batches(self._crops, rows, self._words, size=config.batch, rng=rng)):
            self._set_rates((epoch + step / steps) / config.epochs)
            sums += self._step(batch)
        means = sums / steps
        if not np.isfinite(means).all():
            raise AmogusError(f"training diverged in epoch {epoch + 1}", "lower the learning rate and start anew")
        self._save(epoch + 1)
        temperature = float(self.towers.scale.detach().exp())
        append_row(
            config.out / "log.csv",
            _LOG_FIELDS,
            (epoch + 1, round(time.monotonic() - began, 1), *means.round(4).tolist(), round(temperature, 2)),
        )

    def _step(self, batch: Batch) -> NDArray[np.float64]:
        self.towers.train()
        self.towers.image.model[: self._config.frozen].eval()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            images = self.towers.image(torch.from_numpy(batch.images))
        texts = self.towers.text(torch.from_numpy(batch.words))
        motif = torch.from_numpy(batch.motif)
        margin = self.towers.margin(images)
        match = match_loss(images, texts, torch.from_numpy(batch.fits), self.towers.scale)
        verify = verify_loss(margin, motif)
        likeness = likeness_loss(images[motif], torch.from_numpy(batch.alike), self.towers.scale)
        self._optimizer.zero_grad(set_to_none=True)
        (match + self._config.verify_weight * verify + self._config.likeness_weight * likeness).backward()
        torch.nn.utils.clip_grad_norm_(self.towers.parameters(), 5.0)
        self._optimizer.step()
        self._hardness[batch.rows] = hardness_of(margin)
        errors = ((margin > 0) != motif).float().mean()
        return np.array([match.item(), verify.item(), likeness.item(), errors.item()])

    def _set_rates(self, progress: float) -> None:
        """Linear warm-up over the first 4 %, then a half cosine down to nothing."""
        factor = float(min(1.0, progress / 0.04) * 0.5 * (1 + np.cos(np.pi * min(progress, 1.0))))
        for group in self._optimizer.param_groups:
            group["lr"] = group["rate"] * max(factor, 1e-3)

    def _save(self, epochs_done: int) -> None:
        state = {
            "model": self.towers.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "hardness": torch.from_numpy(self._hardness),
            "epochs_done": epochs_done,
            "words": list(self._words.words),
        }
        temporary = self._config.out / "checkpoint.tmp"
        torch.save(state, temporary)
        temporary.replace(self._config.out / "checkpoint.pt")

    def _resume(self) -> int:
        path = self._config.out / "checkpoint.pt"
        if not path.exists():
            return 0
        state = torch.load(path, weights_only=True)
        self.towers.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._hardness = state["hardness"].numpy().copy()
        return int(state["epochs_done"])
