"""As much of RFC 6455 as it takes to hear a server's news: connect, read messages, answer pings."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import time
from contextlib import suppress
from typing import Any

from amogus_search.converters.server import Server

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUED, _TEXT, _CLOSE, _PING, _PONG = 0, 1, 8, 9, 10
_MOST_BYTES = 64 << 20
_MOST_HEAD = 1 << 16


class WebSocket:
    """An open connection; a context manager.

    Args:
        server: whose.
        path: on it, with its query.

    Raises:
        OSError: it cannot be made (then the news must be asked for), or breaks; from every method.
    """

    def __init__(self, server: Server, path: str) -> None:
        self._connection = server.connection()
        self._socket: Any = self._connection.sock
        self._buffer = bytearray()
        self._text = bytearray()
        try:
            self._shake_hands(server, path)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye and hang up."""
        with suppress(OSError):
            self._send(_CLOSE, struct.pack(">H", 1000))
        self._connection.close()

    def text(self, seconds: float) -> str | None:
        """The next text message, or None if none came in time; binary ones are passed over."""
        until = time.monotonic() + seconds
        while True:
            frame = taken_frame(self._buffer)
            if frame is None:
                if not self._receive(until - time.monotonic()):
                    return None
            elif (message := self._heard(*frame)) is not None:
                return message

    def _heard(self, last: bool, kind: int, payload: bytes) -> str | None:
        if kind == _CLOSE:
            raise ConnectionResetError("the server hung up")
        if kind == _PING:
            self._send(_PONG, payload)
        if kind not in (_TEXT, _CONTINUED) or (kind == _CONTINUED and not self._text):
            return None
        self._text += payload
        if len(self._text) > _MOST_BYTES:
            raise ConnectionAbortedError("a message without an end")
        if not last:
            return None
        message = self._text.decode("utf-8", "replace")
        self._text.clear()
        return message

    def _receive(self, seconds: float) -> bool:
        """More bytes into the buffer; False if none came in time."""
        if seconds <= 0:
            return False
        self._socket.settimeout(seconds)
        try:
            part = self._socket.recv(1 << 16)
        except TimeoutError:
            return False
        if not part:
            raise ConnectionResetError("the server hung up")
        self._buffer += part
        return True

    def _send(self, kind: int, payload: bytes) -> None:
        """A short frame; a client's are masked."""
        key = os.urandom(4)
        masked = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload[:125]))
        self._socket.settimeout(5)
        self._socket.sendall(bytes([0x80 | kind, 0x80 | len(masked)]) + key + masked)

    def _shake_hands(self, server: Server, path: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        headers = {
            **server.headers(),
            "Host": server.url.partition("://")[2].partition("/")[0],
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
        }
        lines = [f"GET {server.full_path(path)} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self._socket.sendall("\r\n".join((*lines, "", "")).encode("latin-1"))
        until = time.monotonic() + server.patience.connect_timeout
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _MOST_HEAD or not self._receive(until - time.monotonic()):
                raise ConnectionAbortedError("no handshake")
        head = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        said = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if " 101" not in head[0] or said.get("sec-websocket-accept") != accept_key(key):
            raise ConnectionRefusedError("it speaks no websocket")


def accept_key(key: str) -> str:
    """What a server answers to a client's key, to show that it understood."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()


def taken_frame(buffer: bytearray) -> tuple[bool, int, bytes] | None:
    """The first frame, removed from the buffer: whether it ends a message, its kind and its payload; None if not whole.

    Raises:
        OSError: it is no frame that a server may send.
    """
    if len(buffer) < 2:
        return None
    if buffer[1] & 0x80 or buffer[0] & 0x70:
        raise ConnectionAbortedError("no frame of a server")
    size, start = buffer[1] & 0x7F, 2
    if size > 125:
        start = 4 if size == 126 else 10
        if len(buffer) < start:
            return None
        size = int.from_bytes(buffer[2:start], "big")
    if size > _MOST_BYTES:
        raise ConnectionAbortedError("a frame without an end")
    if len(buffer) < start + size:
        return None
    last, kind, payload = bool(buffer[0] & 0x80), buffer[0] & 0x0F, bytes(buffer[start : start + size])
    del buffer[: start + size]
    return last, kind, payload
