"""The back end that asks AUTOMATIC1111's web UI or Forge: POST /sdapi/v1/img2img, one job a request."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from amogus_search.converters.server import Server
from amogus_search.converters.server_options import OPTIONS, read_object, server_of
from amogus_search.converters.server_pictures import Parcel, packed, unpacked
from amogus_search.core.conversion import Job
from amogus_search.core.ids import fingerprint
from amogus_search.core.types import Pixels
from amogus_search.errors import ConversionError, UsageError

VERSION = 1
"""Raised whenever the same job would be asked for otherwise."""
PATH = "/sdapi/v1/img2img"
STEPS, GUIDANCE = 28, 7.0
"""Where nobody asks for others."""
FILLS = ("fill", "original", "noise", "nothing")
"""What lies under the mask before the noise, in the order of the API's numbers."""
_OURS = frozenset(
    (
        *("init_images", "mask", "width", "height", "seed", "prompt", "negative_prompt", "steps", "cfg_scale"),
        *("denoising_strength", "batch_size", "n_iter", "inpainting_mask_invert", "inpaint_full_res", "send_images"),
    )
)
"""What each job decides, and what its answer is read by."""


def _fill(value: str) -> int:
    return FILLS.index(value) if value in FILLS else range(len(FILLS)).index(int(value))


def _object(value: str) -> Any:
    values = json.loads(value)
    if not isinstance(values, dict):
        raise ValueError
    return values


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


_FIELDS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "sampler_name": str,
        "scheduler": str,
        "inpainting_fill": _fill,
        "mask_blur": int,
        "initial_noise_multiplier": float,
        "styles": _names,
        "alwayson_scripts": _object,
    }
)
_SETTINGS: Mapping[str, tuple[str, Callable[[str], Any]]] = MappingProxyType(
    {
        "checkpoint": ("sd_model_checkpoint", str),
        "vae": ("sd_vae", str),
        "clip_skip": ("CLIP_stop_at_last_layers", int),
    }
)


class WebuiConverter:
    """Asks a web UI; speaks `ports.Converter`.

    Args:
        server: where it is.
        fields: of the request, beyond those that a job decides.
    """

    side_px: int | None = 512
    batch = 1
    parallel = 1

    def __init__(self, server: Server, fields: Mapping[str, Any]) -> None:
        self._server, self._fields = server, dict(fields)
        self.name = f"webui:{server.url}"
        self.fingerprint = fingerprint({"webui": VERSION, "url": server.url, "fields": self._fields})

    def convert(self, jobs: Sequence[Job]) -> list[Pixels]:
        """One picture a job, as large as its crop; the same one for the same seed, as far as the server's model does.

        Raises: as `ports.Converter`.
        """
        return [self._converted(job) for job in jobs]

    def _converted(self, job: Job) -> Pixels:
        if job.strength == 0:
            return job.crop.copy()
        parcel = packed(job)
        answer = self._server.post_json(PATH, self._request(job, parcel))
        picture = unpacked(self._picture(answer), parcel, job, self.name)
        self._server.proven = True
        return picture

    def _request(self, job: Job, parcel: Parcel) -> dict[str, Any]:
        """The request's fields, as the API's own page (/docs on the server) has them."""
        return {
            "inpainting_fill": FILLS.index("original"),
            # The caller feathers, and the crop is the whole picture here.
            "mask_blur": 0,
            "resize_mode": 0,
            "save_images": False,
            "include_init_images": False,
            **self._fields,
            "init_images": [base64.b64encode(parcel.picture).decode()],
            "mask": base64.b64encode(parcel.mask).decode(),
            "inpainting_mask_invert": 0,
            "inpaint_full_res": False,
            "width": parcel.size_wh[0],
            "height": parcel.size_wh[1],
            "prompt": job.prompt,
            "negative_prompt": job.negative_prompt,
            "seed": job.seed,
            "steps": STEPS if job.steps is None else job.steps,
            "cfg_scale": GUIDANCE if job.guidance is None else job.guidance,
            "denoising_strength": job.strength,
            "batch_size": 1,
            "n_iter": 1,
            "send_images": True,
        }

    def _picture(self, answer: Any) -> bytes:
        """The bytes of the first picture; what extensions append is theirs."""
        images = answer.get("images") if isinstance(answer, dict) else None
        if not isinstance(images, list) or not images or not isinstance(images[0], str):
            raise ConversionError(f"{self.name} gave an answer without a picture", "its log says more")
        text = images[0].rpartition("base64,")[2] if images[0].startswith("data:") else images[0]
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ConversionError(f"{self.name} gave a picture that is no base64", "its log says more") from None


def webui(url: str, options: Mapping[str, str]) -> WebuiConverter:
    """The converter for what the command line gives.

    Args:
        url: of the server, without /sdapi.
        options: see docs/CONVERTING.md.

    Raises:
        UsageError: the URL is none, an option is not known, or its value cannot be used.
    """
    known = (*_FIELDS, *_SETTINGS, "payload", *OPTIONS)
    strangers = sorted(set(options) - set(known))
    if strangers:
        raise UsageError(f"the back end webui has no option {strangers[0]!r}", f"it has: {', '.join(known)}")
    server = server_of(url, options, f"is it the web UI's URL, and was it started with --api? See {url_docs(url)}")
    return WebuiConverter(server, _fields(options))


def url_docs(url: str) -> str:
    """Where the server describes its API, without user and password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].rstrip('/')}/docs"


def _fields(options: Mapping[str, str]) -> dict[str, Any]:
    """The request's fields from the file that `payload` names, then from the options."""
    fields = read_object("payload", options["payload"]) if "payload" in options else {}
    taken = sorted(_OURS & set(fields))
    if taken:
        raise UsageError(f"payload: {taken[0]!r} is decided by each job", "leave it out; see the options of convert")
    for name, read in _FIELDS.items():
        if name in options:
            fields[name] = _value(name, read, options[name])
    settings = {key: _value(name, read, options[name]) for name, (key, read) in _SETTINGS.items() if name in options}
    if settings or "override_settings" in fields:
        if not isinstance(fields.get("override_settings", {}), dict):
            raise UsageError("payload: override_settings is no JSON object", "")
        fields["override_settings"] = {**fields.get("override_settings", {}), **settings}
    return fields


def _value(name: str, read: Callable[[str], Any], value: str) -> Any:
    try:
        return read(value)
    except (ValueError, IndexError):
        hints = {"inpainting_fill": ", ".join(FILLS), "alwayson_scripts": "a JSON object"}
        raise UsageError(f"{name}={value} cannot be used", hints.get(name, "a number")) from None
