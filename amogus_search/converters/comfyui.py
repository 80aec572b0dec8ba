"""The back end that asks ComfyUI: pictures up, a workflow into the queue, its picture down.

The server's history is the truth about what became of a prompt; the websocket only says when to look.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import quote, urlencode

from amogus_search.converters.comfy_workflow import DEFAULTS, FIELDS, INPAINT, checked, filled, placeholders, typed
from amogus_search.converters.complaints import complaint, printable
from amogus_search.converters.server import Server
from amogus_search.converters.server_options import OPTIONS, read_object, server_of
from amogus_search.converters.server_pictures import Parcel, packed, unpacked
from amogus_search.converters.websocket import WebSocket
from amogus_search.core.conversion import Job
from amogus_search.core.ids import fingerprint
from amogus_search.core.types import Pixels
from amogus_search.errors import BackendGoneError, ConversionError, UsageError

VERSION = 1
"""Raised whenever the same job would be asked for otherwise."""
STEPS, GUIDANCE = 28, 7.0
"""Where nobody asks for others."""
_LOOK_S = 5.0
"""The history is looked at so often even if the websocket says nothing."""
_POLL_S = (0.25, 2.0)
"""First and longest wait between two looks where there is no websocket."""
_SUBMISSIONS = 2
"""A prompt that a restarted server has forgotten is sent once more."""
_ENDS = ("execution_success", "execution_error", "execution_interrupted")


class _LostError(Exception):
    """The server knows nothing of a prompt any more."""


class ComfyConverter:
    """Asks ComfyUI; speaks `ports.Converter`.

    Args:
        server: where it is.
        workflow: the template; see `comfy_workflow`.
        options: values of its placeholders that no job has.
        output: number of the node whose picture counts; empty: the only one that gives any.
    """

    side_px: int | None = 512
    batch = 1
    parallel = 1

    def __init__(
        self, server: Server, workflow: Mapping[str, Any], options: Mapping[str, str], *, output: str = ""
    ) -> None:
        self._server, self._workflow, self._output = server, dict(workflow), output
        self._options = {name: typed(value) for name, value in options.items()}
        self._client = uuid.uuid4().hex
        self._late = 0
        self.name = f"comfyui:{server.url}"
        about = {"workflow": self._workflow, "options": self._options, "output": output}
        self.fingerprint = fingerprint({"comfyui": VERSION, "url": server.url, **about})

    def convert(self, jobs: Sequence[Job]) -> list[Pixels]:
        """One picture a job, as large as its crop; the same one for the same seed, as far as the workflow does.

        Raises: as `ports.Converter`.
        """
        return [self._converted(job) for job in jobs]

    def _converted(self, job: Job) -> Pixels:
        if job.strength == 0:
            return job.crop.copy()
        parcel = packed(job)
        for _ in range(_SUBMISSIONS):
            with suppress(_LostError):
                content = self._made(job, parcel)
                picture = unpacked(content, parcel, job, self.name)
                self._server.proven, self._late = True, 0
                return picture
        raise ConversionError(f"{self.name} forgot a prompt twice", "did somebody clear its queue? Run it again")

    def _made(self, job: Job, parcel: Parcel) -> bytes:
        values = {
            "image": self._upload("picture", parcel.picture),
            "mask": self._upload("mask", parcel.mask),
            "prompt": job.prompt,
            "negative_prompt": job.negative_prompt,
            "seed": job.seed,
            "steps": STEPS if job.steps is None else job.steps,
            "guidance": GUIDANCE if job.guidance is None else job.guidance,
            "strength": job.strength,
            "width": parcel.size_wh[0],
            "height": parcel.size_wh[1],
            **self._options,
        }
        with ExitStack() as stack:
            news: WebSocket | None = None
            # Opened first, so that nothing is missed. Where there is none, the history is asked more often.
            with suppress(OSError):
                news = stack.enter_context(WebSocket(self._server, f"/ws?clientId={self._client}"))
            prompt = self._queue(filled(self._workflow, values))
            done = self._waited(prompt, news)
        return self._server.get(f"/view?{urlencode(self._place(done))}")

    def _upload(self, what: str, content: bytes) -> str:
        """The name under which a workflow finds the picture; no name is used twice, or an old result would be."""
        border = uuid.uuid4().hex
        name = f"amogus-{what}-{uuid.uuid4().hex}.png"
        fields = {"type": "temp", "overwrite": "true"}
        parts = [
            f'--{border}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        ]
        parts.append(
            f'--{border}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
            "Content-Type: image/png\r\n\r\n".encode()
        )
        body = b"".join((*parts, content, f"\r\n--{border}--\r\n".encode()))
        content_type = f"multipart/form-data; boundary={border}"
        try:
            put = json.loads(self._server.ask("POST", "/upload/image", body, content_type))
            path = "/".join(part for part in (put.get("subfolder", ""), put["name"]) if part)
            return path if put.get("type", "input") == "input" else f"{path} [{put['type']}]"
        except (ValueError, KeyError, AttributeError, TypeError):
            raise self._nonsense("where it put a picture") from None

    def _queue(self, workflow: Any) -> str:
        answer = self._server.post_json("/prompt", {"prompt": workflow, "client_id": self._client})
        prompt = answer.get("prompt_id") if isinstance(answer, dict) else None
        if not isinstance(prompt, str) or not prompt:
            raise self._nonsense("a prompt's number")
        return prompt

    def _waited(self, prompt: str, news: WebSocket | None) -> dict[str, Any]:
        """The history's entry, once there is one."""
        until = time.monotonic() + self._server.patience.timeout
        wait_s = _POLL_S[0]
        while True:
            if (entry := self._history(prompt)) is not None:
                return entry
            if not self._is_queued(prompt) and self._history(prompt) is None:
                raise _LostError
            left = until - time.monotonic()
            if left <= 0:
                self._withdraw(prompt)
                raise self._too_late()
            if news is not None and not self._rang(news, prompt, min(_LOOK_S, left)):
                news = None
            elif news is None:
                time.sleep(min(wait_s, left))
                wait_s = min(2 * wait_s, _POLL_S[1])

    def _rang(self, news: WebSocket, prompt: str, seconds: float) -> bool:
        """Wait for the end of a prompt, or so long; False if the websocket is of no more use."""
        until = time.monotonic() + seconds
        try:
            while (text := news.text(until - time.monotonic())) is not None:
                if _is_end(text, prompt):
                    break
        except OSError:
            return False
        return True

    def _history(self, prompt: str) -> dict[str, Any] | None:
        """What became of a prompt; None if it is not done.

        Raises:
            ConversionError: it failed.
        """
        entries = self._server.get_json(f"/history/{quote(prompt, safe='')}")
        if not isinstance(entries, dict) or not isinstance(entry := entries.get(prompt, {}), dict):
            raise self._nonsense("its history")
        status = entry.get("status")
        if isinstance(status, dict) and status.get("status_str") == "error":
            failures = [one[1] for one in status.get("messages", []) if isinstance(one, list) and one[0] in _ENDS]
            words = complaint(json.dumps(failures).encode()) or "it was interrupted"
            memory = "try a smaller --size" if "memory" in words else "its log says more"
            raise ConversionError(f"{self.name}: {words}", memory)
        return entry or None

    def _is_queued(self, prompt: str) -> bool:
        queue = self._server.get_json("/queue")
        if not isinstance(queue, dict):
            raise self._nonsense("its queue")
        rows = [row for key in ("queue_running", "queue_pending") for row in queue.get(key, [])]
        return any(isinstance(row, list) and prompt in row[:2] for row in rows)

    def _too_late(self) -> ConversionError:
        """Once may be one picture's fault; twice in a row it is the server's."""
        self._late += 1
        kind = BackendGoneError if self._late > 1 else ConversionError
        return kind(
            f"{self.name} made no picture within {self._server.patience.timeout:g} s",
            "is its queue long? Allow more: --backend-option timeout=SECONDS",
        )

    def _withdraw(self, prompt: str) -> None:
        with suppress(ConversionError):
            self._server.ask("POST", "/queue", json.dumps({"delete": [prompt]}).encode(), "application/json")

    def _place(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """File name, subfolder and type of the picture that counts."""
        outputs = entry.get("outputs")
        nodes = outputs if isinstance(outputs, dict) else {}
        given = {
            number: node["images"] for number, node in nodes.items() if isinstance(node, dict) and node.get("images")
        }
        if self._output:
            given = {number: images for number, images in given.items() if number == self._output}
        elif len(given) > 1:
            # Previews along the way are of type temp.
            given = {number: images for number, images in given.items() if images[0].get("type") == "output"} or given
        if len(given) > 1:
            raise BackendGoneError(
                f"several nodes of the workflow give pictures: {printable(', '.join(sorted(given)))}",
                "say which one counts: --backend-option output=NUMBER",
            )
        if not given:
            which = f"node {self._output}" if self._output else "a SaveImage or PreviewImage node"
            raise self._server.wrong(f"{self.name} is done and has no picture of {which}", "look at the workflow")
        image = next(iter(given.values()))[0]
        if not isinstance(image, dict) or not isinstance(image.get("filename"), str):
            raise self._nonsense("the place of a picture")
        return {key: str(image.get(key, "")) for key in ("filename", "subfolder", "type")}

    def _nonsense(self, what: str) -> ConversionError:
        return ConversionError(f"{self.name} does not say {what} in a way that can be read", "is it a ComfyUI?")


def _is_end(text: str, prompt: str) -> bool:
    """Whether a message says that a prompt is done, well or not."""
    try:
        message = json.loads(text)
        data = message["data"]
        if data.get("prompt_id") != prompt:
            return False
        return message["type"] in _ENDS or (message["type"] == "executing" and data.get("node") is None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def comfyui(url: str, options: Mapping[str, str]) -> ComfyConverter:
    """The converter for what the command line gives.

    Args:
        url: of the server.
        options: see docs/CONVERTING.md; beside the named ones, values of the workflow's own placeholders.

    Raises:
        UsageError: the URL is none, the workflow cannot be used, or nothing uses an option.
    """
    own = ("workflow", "output", *OPTIONS)
    rest = {name: value for name, value in options.items() if name not in own}
    workflow: Mapping[str, Any] = INPAINT
    if "workflow" in options:
        workflow = read_object("workflow", options["workflow"])
    else:
        rest = {**DEFAULTS, **rest}
    checked(workflow, rest)
    wanted = [name for name in placeholders(workflow) if name not in FIELDS]
    strangers = sorted(set(rest) - set(wanted))
    if strangers:
        raise UsageError(
            f"the back end comfyui has no option {strangers[0]!r}, and the workflow no such placeholder",
            f"it has: {', '.join((*own, *wanted))}",
        )
    server = server_of(url, options, "is it ComfyUI's URL, and has it the nodes and models of the workflow?")
    return ComfyConverter(server, workflow, rest, output=options.get("output", ""))
