"""Loading open_clip models without running anything that comes with them, and saying what is wrong in our words.

The library itself is handed in by `open_clip`, the only module that imports it.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from amogus_search.embedders.open_clip_names import FOLDER, HUB, ClipName
from amogus_search.errors import AmogusError, MissingExtraError, UsageError


def model_config(open_clip: Any, source: ClipName) -> dict[str, Any]:
    """The description of the model's architecture.

    Raises:
        UsageError: there is no such model, or its tokeniser would be code that comes with it.
    """
    try:
        config = open_clip.factory.get_model_config(source.model)
    except Exception as error:  # downloads and unreadable files share no base class
        raise UsageError(f"open_clip cannot load {source.model}: {error}", "check the name and the files") from error
    if not isinstance(config, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
        listing = "python -c 'import open_clip; print(open_clip.list_models())'"
        raise UsageError(f"open_clip has no model {source.model!r}", listing)
    if config["text_cfg"].get("tokenizer_kwargs", {}).get("trust_remote_code"):
        raise UsageError(
            f"the tokeniser of {source.model} is code that comes with the model, which is never run here",
            "use another model, or one whose open_clip_config.json has no trust_remote_code",
        )
    return config


def load_model(open_clip: Any, source: ClipName, device: str) -> tuple[Any, Any]:
    """The model in evaluation mode and its preprocessing."""
    options = {"device": device, "precision": "fp32", "weights_only": True}
    try:
        if source.checkpoint is None:
            model, preprocess = open_clip.create_model_from_pretrained(source.model, source.tag, **options)
        else:
            with _quiet():
                # Base weights of the towers would be downloaded; the checkpoint has all of them.
                model, _, preprocess = open_clip.create_model_and_transforms(
                    source.model, load_weights=False, pretrained_text=False, **options
                )
            open_clip.load_checkpoint(model, str(source.checkpoint), strict=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise AmogusError(
            f"{source.checkpoint or source.model} holds more than weights, and could run code if it were loaded",
            "use a .safetensors file of the model",
        ) from error
    except Exception as error:  # downloads, safetensors, configurations and shapes share no base class
        raise _refused(open_clip, source, error) from error
    return model.eval(), preprocess


def _refused(open_clip: Any, source: ClipName, error: Exception) -> AmogusError:
    """What open_clip refused, and what to do."""
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, ImportError) or "pip install transformers" in str(error):
        return needs_transformers(source.model, error)
    if source.tag is not None:
        tags = open_clip.list_pretrained_tags_by_model(source.model)
        if source.tag not in tags:
            there_are = f"there are: {', '.join(tags) or 'none'}"
            return UsageError(f"{source.model} has no pretrained tag {source.tag!r}", there_are)
    if "TorchScript" in str(error):
        return AmogusError(
            f"{source.checkpoint} is a program and not weights", "use a .safetensors file, or its state_dict"
        )
    what = f"{source.model}/{source.checkpoint}" if source.checkpoint else source.text
    hint = "check that the checkpoint fits the model" if source.checkpoint else "check the name and the connection"
    return AmogusError(f"open_clip cannot load {what}: {first_line}", hint)


def load_tokenizer(open_clip: Any, source: ClipName, config: Mapping[str, Any]) -> Any:
    """The model's tokeniser; always the same for the same text."""
    try:
        tokenizer = open_clip.get_tokenizer(source.model)
    except ImportError as error:
        raise needs_transformers(source.model, error) from error
    except (OSError, ValueError) as error:
        wanted = config["text_cfg"].get("hf_tokenizer_name", "")
        raise UsageError(
            f"the tokeniser of {source.model} is not here: {wanted}",
            f"put its files into the folder of the model, and use {FOLDER}FOLDER; or let open_clip download all with "
            f"MODEL/TAG or {HUB}ORG/REPO",
        ) from error
    if getattr(tokenizer, "reduction_fn", None) is not None:
        tokenizer.reduction_fn = None  # meant for training: it leaves out words of long texts by chance
    return tokenizer


def needs_transformers(model: str, error: Exception) -> MissingExtraError:
    """What is missing for a model whose tokeniser is not open_clip's own."""
    return MissingExtraError(
        f"{model} reads texts by a tokeniser of transformers, which is not installed ({error})",
        "pip install transformers sentencepiece",
    )


def digest_of(model: Any, torch: Any) -> str:
    """Digest of all tensors of the model by name, whatever file they came in."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}:".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without open_clip's warning that no weights were loaded yet."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
