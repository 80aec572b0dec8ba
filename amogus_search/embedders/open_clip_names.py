"""What may stand after `open_clip:`, told apart without importing anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amogus_search.errors import UsageError

CONFIG_NAME = "open_clip_config.json"
HUB, FOLDER = "hf-hub:", "local-dir:"
_SAFE, _PICKLED = ".safetensors", (".bin", ".pt", ".pth")
_USUAL = ("open_clip_model", "open_clip_pytorch_model", "model", "pytorch_model")
_EXAMPLES = (
    "write open_clip:MODEL/TAG, as open_clip:ViT-B-32/laion2b_s34b_b79k, open_clip:MODEL/CHECKPOINT_FILE, "
    "open_clip:hf-hub:ORG/REPO, or open_clip:FOLDER with an open_clip_config.json"
)


class NoWeightsError(UsageError):
    """A model was named without saying which weights; `model` is its name, perhaps empty."""

    def __init__(self, argument: str) -> None:
        super().__init__(f"open_clip:{argument} names no weights", _EXAMPLES)
        self.model = argument.partition("/")[0]


@dataclass(frozen=True)
class ClipName:
    """A model, and where its weights come from.

    model:      as open_clip calls it: an architecture, `hf-hub:ORG/REPO`, or `local-dir:FOLDER`
    tag:        of pretrained weights, which open_clip downloads
    checkpoint: a file here
    """

    model: str
    tag: str | None = None
    checkpoint: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether nothing may be downloaded for it."""
        return self.checkpoint is not None

    @property
    def text(self) -> str:
        """The argument that means this model from any folder."""
        if self.model.startswith(FOLDER):
            folder = self.model.removeprefix(FOLDER)
            is_usual = self.checkpoint == usual_checkpoint(Path(folder))
            return self.model if is_usual else str(self.checkpoint)
        return "/".join(str(part) for part in (self.model, self.tag or self.checkpoint) if part)


def parsed(argument: str) -> ClipName:
    """The model that an argument means.

    Raises:
        UsageError: it names no weights, or files that are not there.
    """
    if argument.startswith(HUB):
        return ClipName(argument)
    path = Path(argument.removeprefix(FOLDER))
    if argument.startswith(FOLDER) or (path.is_dir() and (path / CONFIG_NAME).is_file()):
        return _in_folder(path.absolute())
    if path.is_file() and (path.parent / CONFIG_NAME).is_file():
        return ClipName(f"{FOLDER}{path.parent.absolute()}", checkpoint=path.absolute())
    model, _, weights = argument.partition("/")
    if not model or not weights:
        raise NoWeightsError(argument)
    if "/" not in weights and not Path(weights).is_file():
        return ClipName(model, tag=weights)
    if not Path(weights).is_file():
        raise UsageError(f"there is no checkpoint file {weights}", "give its path after the model's name and a slash")
    return ClipName(model, checkpoint=Path(weights).absolute())


def usual_checkpoint(folder: Path) -> Path | None:
    """The weights in a folder, safetensors before any pickle, customary names first; None if there are none."""
    found = [path for path in folder.iterdir() if path.suffix in (_SAFE, *_PICKLED)] if folder.is_dir() else []
    places = {name: place for place, name in enumerate(_USUAL)}

    def key(path: Path) -> tuple[bool, int, str]:
        return path.suffix != _SAFE, places.get(path.stem, len(places)), path.name

    return min(found, key=key, default=None)


def _in_folder(folder: Path) -> ClipName:
    if not (folder / CONFIG_NAME).is_file():
        raise UsageError(f"{folder} is no model: it has no {CONFIG_NAME}", "name a folder with one, or a checkpoint")
    checkpoint = usual_checkpoint(folder)
    if checkpoint is None:
        raise UsageError(f"{folder} has no weights", "put a .safetensors file beside its open_clip_config.json")
    return ClipName(f"{FOLDER}{folder}", checkpoint=checkpoint)
