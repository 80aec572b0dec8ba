"""One HTTP server that the user named, asked patiently; redirects and proxies are not followed."""

from __future__ import annotations

import base64
import http.client
import json
import math
import ssl
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from amogus_search.converters.complaints import complaint, printable
from amogus_search.errors import BackendGoneError, ConversionError, UsageError

_BUSY = (429, 502, 503, 504)
_REFUSED = (401, 403, 407)
_WRONG = (400, 404, 405, 422)
_LONGEST_WAIT_S = 60.0
_MOST_BYTES = 256 << 20
"""Longer answers are no pictures of ours."""
_HEADERS = {"Accept": "*/*", "Connection": "close", "User-Agent": "amogus_search"}
_AGAIN = "run the same command again: what is finished stays, and it goes on from there"


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    connect_timeout: seconds until it takes the call
    timeout:         seconds until a picture is there
    retries:         how often what may pass is tried again: no connection, one that broke off, a full queue
    retry_wait:      seconds before the first of them; each later one waits twice as long, and a minute at most
    """

    connect_timeout: float = 10.0
    timeout: float = 600.0
    retries: int = 4
    retry_wait: float = 1.0


class _PassingError(Exception):
    """A fault that may pass.

    Args:
        error: what it is if it does not.
        wait_s: what the server asked for; None if nothing.
    """

    def __init__(self, error: ConversionError, wait_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.wait_s = error, wait_s


class Server:
    """A server and how it is asked.

    Args:
        url: http or https, with a path in front of the server's own if need be, and USER:PASSWORD@ if it wants them.
        auth: USER:PASSWORD, instead of those in the URL.
        patience: see there.
        missing: the hint where the server does not know what it is asked for.

    Raises:
        UsageError: the URL is none.
    """

    def __init__(self, url: str, auth: str = "", patience: Patience | None = None, *, missing: str = "") -> None:
        parts = _parts(url)
        self._host, self._port, self._tls = parts.hostname or "", parts.port, parts.scheme == "https"
        self._path: str = parts.path.rstrip("/")
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"{parts.scheme}://{shown}{f':{self._port}' if self._port else ''}{self._path}"
        if not auth and parts.username is not None:
            auth = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        self._auth = base64.b64encode(auth.encode()).decode() if auth else ""
        self.patience = patience or Patience()
        self._missing = missing
        self._silences = 0
        self.proven = False
        """Set by a back end once a picture came: from then on, a complaint is about one picture, not the settings."""

    def get(self, path: str) -> bytes:
        """The body of the answer; see `ask`."""
        return self.ask("GET", path)

    def get_json(self, path: str) -> Any:
        """The answer as JSON values; see `ask`."""
        return self._json(path, self.ask("GET", path))

    def post_json(self, path: str, values: Mapping[str, Any]) -> Any:
        """Send JSON values, get JSON values; see `ask`."""
        return self._json(path, self.ask("POST", path, json.dumps(values).encode(), "application/json"))

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        """The body of the answer, after as many tries as the patience allows.

        Args:
            method: GET or POST.
            path: after the server's own, with its query.
            body: what is sent.
            kind: its MIME type.

        Raises:
            BackendGoneError: no answer that can be used will come: no server, no access, no such service, or too busy.
            ConversionError: this one failed.
        """
        for attempt in range(self.patience.retries + 1):
            try:
                answer = self._once(method, path, body, kind)
            except _PassingError as fault:
                if attempt == self.patience.retries:
                    raise fault.error from fault.__cause__
                wait_s = self.patience.retry_wait * 2.0**attempt if fault.wait_s is None else fault.wait_s
                time.sleep(min(wait_s, _LONGEST_WAIT_S))
            else:
                self._silences = 0
                return answer
        raise AssertionError("the last try returns or raises")

    def wrong(self, problem: str, hint: str = "") -> ConversionError:
        """The error for a complaint of the server's: before its first picture it is about the settings, so all end."""
        return ConversionError(problem, hint) if self.proven else BackendGoneError(problem, hint)

    def connection(self) -> http.client.HTTPConnection:
        """A new connection, made; its socket then waits as long as an answer may take.

        Raises:
            OSError: there is none.
        """
        timeout = self.patience.connect_timeout
        if self._tls:
            context = ssl.create_default_context()
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout, context=context
            )
        else:
            made = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        try:
            made.connect()
        except BaseException:
            made.close()
            raise
        made.sock.settimeout(self.patience.timeout)
        return made

    def headers(self) -> dict[str, str]:
        """What goes with every request."""
        return {**_HEADERS, **({"Authorization": f"Basic {self._auth}"} if self._auth else {})}

    def full_path(self, path: str) -> str:
        """A path of the server's own, below the URL's."""
        return self._path + path

    def _once(self, method: str, path: str, body: bytes | None, kind: str) -> bytes:
        try:
            connection = self.connection()
        except ssl.SSLCertVerificationError as error:
            raise BackendGoneError(
                f"{self.url} has a certificate that cannot be trusted: {error.verify_message}",
                "name the host as its certificate does, or give the system the authority that signed it",
            ) from error
        except (OSError, UnicodeError) as error:
            words = str(getattr(error, "strerror", None) or error)
            raise _PassingError(
                BackendGoneError(f"{self.url} cannot be reached: {words}", f"is it running? {_AGAIN}")
            ) from error
        headers = {**self.headers(), **({"Content-Type": kind} if kind else {})}
        until = time.monotonic() + self.patience.timeout
        with closing(connection):
            try:
                # A server that refuses may hang up before it has heard all; what it says is still there to be read.
                with suppress(BrokenPipeError):
                    connection.request(method, self.full_path(path), body, headers)
                socket = connection.sock
                with closing(connection.getresponse()) as response:
                    content = self._read(response, socket, until)
            except TimeoutError as error:
                raise self._unanswered() from error
            except (OSError, http.client.HTTPException) as error:
                raise _PassingError(
                    ConversionError(f"{self.url} broke off: {type(error).__name__}", f"its log says why; {_AGAIN}")
                ) from error
        return self._checked(response, path, content)

    def _read(self, response: http.client.HTTPResponse, socket: Any, until: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            socket.settimeout(left)
            part = response.read1(1 << 16)
            if not part:
                break
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES:
                raise ConversionError(
                    f"{self.url} answers with more than {_MOST_BYTES >> 20} MiB", "is it the right URL?"
                )
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return b"".join(parts)

    def _unanswered(self) -> ConversionError:
        """One silence may be one picture's fault; two in a row are the server's."""
        self._silences += 1
        problem = f"{self.url} gave no answer within {self.patience.timeout:g} s"
        hint = "see its log, or allow more: --backend-option timeout=SECONDS"
        return BackendGoneError(problem, hint) if self._silences > 1 else ConversionError(problem, hint)

    def _checked(self, response: http.client.HTTPResponse, path: str, content: bytes) -> bytes:
        status = response.status
        if 200 <= status < 300:
            return content
        at = f"{self.url} says {status}"
        words = f": {said}" if (said := complaint(content)) else ""
        if 300 <= status < 400:
            where = printable(response.getheader("Location", "elsewhere"))
            raise BackendGoneError(
                f"{at}, go to {where}", "nothing is sent to where you did not say: name that URL if it is the right one"
            )
        if status in _REFUSED:
            raise BackendGoneError(
                f"{at}: user or password are missing or wrong",
                "--backend-option auth_file=FILE with USER:PASSWORD in it",
            )
        if status in _BUSY:
            raise _PassingError(
                BackendGoneError(f"{at}, it is too busy{words}", _AGAIN), _seconds(response.getheader("Retry-After"))
            )
        if status in _WRONG:
            raise self.wrong(f"{at} to {path.partition('?')[0]}{words}", self._missing)
        memory = "memory" in said.lower() or status == 413
        raise ConversionError(f"{at}{words}", "try a smaller --size" if memory else "its log says more")

    def _json(self, path: str, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError:
            start = printable(content[:60].decode("latin-1"))
            raise ConversionError(
                f"{self.url}{path.partition('?')[0]} answers with what is no JSON: {start!r}", "is it the right URL?"
            ) from None


def _parts(url: str) -> Any:
    hint = "such as http://127.0.0.1:7860"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise UsageError(f"{printable(url.rpartition('@')[2])!r} is no URL of a server", hint)
    if parts.query or parts.fragment:
        raise UsageError("the URL of a server has no ? and no #", hint)
    return parts


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header or "nan")) if header and math.isfinite(float(header)) else None
    except ValueError:
        return None
