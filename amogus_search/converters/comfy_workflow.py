"""ComfyUI workflows as templates: API-format JSON in which strings such as "{seed}" stand for a job's values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from amogus_search.errors import UsageError

FIELDS = (
    "image",
    "mask",
    "prompt",
    "negative_prompt",
    "seed",
    "steps",
    "guidance",
    "strength",
    "width",
    "height",
)
"""What every job has; every other placeholder is an option of the user's."""
DEFAULTS: Mapping[str, str] = MappingProxyType({"sampler": "dpmpp_2m", "scheduler": "karras"})
"""Of the built-in workflow's own placeholders; `checkpoint` has none."""
_FIELD = re.compile(r"\{([a-z][a-z0-9_]*)\}")

INPAINT: Mapping[str, Any] = MappingProxyType(
    {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "{checkpoint}"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "{image}"}},
        # Its red channel as it is: 1 is painted anew. (Its alpha would be turned round.)
        "3": {"class_type": "LoadImageMask", "inputs": {"image": "{mask}", "channel": "red"}},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"text": "{prompt}", "clip": ["1", 1]}},
        "5": {"class_type": "CLIPTextEncode", "inputs": {"text": "{negative_prompt}", "clip": ["1", 1]}},
        "6": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SetLatentNoiseMask", "inputs": {"samples": ["6", 0], "mask": ["3", 0]}},
        "8": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["1", 0],
                "positive": ["4", 0],
                "negative": ["5", 0],
                "latent_image": ["7", 0],
                "seed": "{seed}",
                "steps": "{steps}",
                "cfg": "{guidance}",
                "sampler_name": "{sampler}",
                "scheduler": "{scheduler}",
                "denoise": "{strength}",
            },
        },
        "9": {"class_type": "VAEDecode", "inputs": {"samples": ["8", 0], "vae": ["1", 2]}},
        # Unlike SaveImage it leaves nothing behind on the server.
        "10": {"class_type": "PreviewImage", "inputs": {"images": ["9", 0]}},
    }
)
"""Any Stable Diffusion checkpoint: the crop's latent, noised under the mask only."""


def checked(workflow: Mapping[str, Any], options: Mapping[str, str]) -> None:
    """See that a template can be filled.

    Args:
        workflow: node number -> class_type and inputs.
        options: values for placeholders that no job has.

    Raises:
        UsageError: it is no workflow in API format, has no {image}, or a placeholder for which there is no value.
    """
    for number, node in workflow.items():
        if not isinstance(node, dict) or "class_type" not in node or not isinstance(node.get("inputs"), dict):
            raise UsageError(
                f"the workflow's {number!r} is no node", "in ComfyUI choose Workflow > Export (API), not Save"
            )
    names = placeholders(workflow)
    if "image" not in names:
        raise UsageError(
            "the workflow has no {image}", 'write "{image}" where a LoadImage node has the name of its file'
        )
    for name in names:
        if name not in FIELDS and name not in options:
            near = get_close_matches(name, FIELDS, n=1)
            meant = f"did you mean {{{near[0]}}}? " if near else ""
            raise UsageError(
                f"the workflow has {{{name}}} and nobody says what that is", f"{meant}--backend-option {name}=VALUE"
            )


def placeholders(workflow: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in braces, sorted."""
    return tuple(sorted({name for text in _texts(dict(workflow)) for name in _FIELD.findall(text)}))


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """A copy with the values filled in; a string that is nothing but a placeholder takes its value's type."""
    if isinstance(value, Mapping):
        return {key: filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, values) for inner in value]
    if not isinstance(value, str):
        return value
    whole = _FIELD.fullmatch(value)
    return values[whole[1]] if whole else _FIELD.sub(lambda match: str(values[match[1]]), value)


def typed(value: str) -> Any:
    """An option's value for a placeholder: a number where it is one."""
    try:
        number = float(value)
    except ValueError:
        return value
    if not math.isfinite(number):
        return value
    return int(number) if number.is_integer() and value.lstrip("+-").isdecimal() else number


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
