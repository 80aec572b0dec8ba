"""The command that trains a LoRA on an export: `train_dreambooth_lora_sdxl.py` of diffusers' examples."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from amogus_search.core.paths import display_path, path_from_text
from amogus_search.errors import UsageError

SCRIPT = "train_dreambooth_lora_sdxl.py"
BASE_MODEL = "stabilityai/stable-diffusion-xl-base-1.0"
CLASS_PROMPT = "a photo"


@dataclass(frozen=True)
class Training:
    """What the command says.

    token:      the words that the model learns: a rare one and the class
    resolution: side of the pictures, in pixels
    model:      name or folder of the base model
    steps:      of the optimizer
    """

    token: str = "sks amogus"  # noqa: S105 - a word of a prompt
    resolution: int = 1024
    model: str = BASE_MODEL
    steps: int = 800

    def __post_init__(self) -> None:
        """Refuse words that are no text: they go into captions, which are.

        Raises:
            UsageError: the token has bytes in it that are no UTF-8.
        """
        try:
            self.token.encode()
        except UnicodeEncodeError:
            shown = display_path(path_from_text(self.token))
            raise UsageError(f"the token {shown} is no text", "give words in UTF-8, such as sks amogus") from None

    @property
    def prompt(self) -> str:
        """The sentence without colour and parts."""
        return f"a photo of {self.token}"


def as_words(training: Training, out: Path, class_images: int) -> str:
    """The command on one line, quoted for a POSIX shell."""
    return " ".join(shlex.quote(word) for pair in _pairs(training, out, class_images) for word in pair)


def as_file(training: Training, out: Path, class_images: int) -> str:
    """The command with an option a line, and what it needs above it."""
    lines = [" ".join(shlex.quote(word) for word in pair) for pair in _pairs(training, out, class_images)]
    about = (
        f"# {SCRIPT} is in examples/dreambooth of the diffusers repository; take the one of the diffusers you have.\n"
        "# It needs diffusers, accelerate, transformers, peft and datasets, and a GPU.\n"
    )
    return about + " \\\n  ".join(lines) + "\n"


def _pairs(training: Training, out: Path, class_images: int) -> list[tuple[str, ...]]:
    """Options with their values; folders are absolute, so that it can be run from anywhere."""
    folder = out.resolve()
    pairs: list[tuple[str, ...]] = [
        ("accelerate", "launch", SCRIPT),
        ("--pretrained_model_name_or_path", training.model),
        ("--dataset_name", str(folder / "instance")),
        ("--image_column", "image"),
        ("--caption_column", "text"),
        ("--instance_prompt", training.prompt),
        ("--output_dir", str(folder / "lora")),
        ("--resolution", str(training.resolution)),
        ("--train_batch_size", "1"),
        ("--gradient_accumulation_steps", "4"),
        ("--gradient_checkpointing",),
        ("--learning_rate", "1e-4"),
        ("--lr_scheduler", "constant"),
        ("--lr_warmup_steps", "0"),
        ("--rank", "16"),
        ("--max_train_steps", str(training.steps)),
        ("--mixed_precision", "fp16"),
        ("--seed", "0"),
    ]
    if class_images:
        # As many as there are: the script makes missing ones with the model.
        pairs += [
            ("--with_prior_preservation",),
            ("--class_data_dir", str(folder / "class")),
            ("--class_prompt", CLASS_PROMPT),
            ("--num_class_images", str(class_images)),
        ]
    return pairs
