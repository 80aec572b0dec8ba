"""The websocket hears messages whole, in pieces, between pings, and breaks off where a server speaks nonsense."""

import base64
import hashlib
import struct
import time

import pytest

from amogus_search.converters.server import Patience, Server
from amogus_search.converters.websocket import WebSocket, accept_key, taken_frame

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(kind, payload, last=True):
    size = len(payload)
    head = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)
    return bytes([(0x80 if last else 0) | kind]) + head + payload


def speaking(serve, *parts, accept=None):
    """A server that shakes hands and then sends these, a moment apart; it notes what it hears last."""
    heard_back = []

    def answer(heard):
        assert heard.headers["Upgrade"].lower() == "websocket"
        assert "upgrade" in heard.headers["Connection"].lower()
        assert heard.headers["Sec-WebSocket-Version"] == "13"
        key = heard.headers["Sec-WebSocket-Key"]
        assert len(base64.b64decode(key)) == 16
        told = accept or base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        write = heard.handler.wfile.write
        write(
            f"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nsec-websocket-accept: {told}\r\n\r\n".encode() + parts[0]
        )
        for part in parts[1:]:
            time.sleep(0.02)
            write(part)
        heard.handler.connection.settimeout(0.3)
        try:
            heard_back.append(heard.handler.rfile.read(11))
        except OSError:
            heard_back.append(b"")
        heard.drop()

    server = serve(answer)
    return Server(server.url, "me:x", Patience(connect_timeout=20)), server, heard_back


def test_the_key_is_answered_as_in_the_standards_own_example():
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_messages_are_heard_whole_however_they_come(serve):
    long = "\u00e4" * 40_000
    raw = frame(1, b"in the handshake's packet")
    pieces = [frame(1, b"in ", last=False), frame(2, b"a preview"), frame(0, b"pieces")]
    big = bytes([0x81, 127]) + struct.pack(">Q", len(long.encode())) + long.encode()
    server, running, _ = speaking(serve, raw, *pieces, big[:5], big[5:])
    with WebSocket(server, "/ws?clientId=abc") as news:
        assert news.text(20) == "in the handshake's packet"
        assert news.text(20) == "in pieces"
        assert news.text(20) == long
        assert news.text(0.01) is None
    assert running.heard[0].query == {"clientId": "abc"}
    assert running.heard[0].headers["Authorization"] == "Basic " + base64.b64encode(b"me:x").decode()


def test_a_ping_is_answered_with_its_own_words_masked(serve):
    server, _, heard_back = speaking(serve, frame(9, b"there"), frame(1, b"!"))
    with WebSocket(server, "/ws") as news:
        assert news.text(20) == "!"
        time.sleep(0.05)
    until = time.monotonic() + 20
    while not heard_back and time.monotonic() < until:
        time.sleep(0.01)
    kind, size, key, payload = heard_back[0][0], heard_back[0][1], heard_back[0][2:6], heard_back[0][6:]
    assert (kind, size) == (0x8A, 0x85)
    assert bytes(byte ^ key[at % 4] for at, byte in enumerate(payload)) == b"there"


@pytest.mark.parametrize(
    "part",
    [
        frame(8, b""),
        b"\x81\x85abcdhello",
        b"\xc1\x01x",
        bytes([0x81, 127]) + struct.pack(">Q", 1 << 60),
    ],
    ids=["goodbye", "masked", "compressed", "endless"],
)
def test_nonsense_and_goodbyes_break_the_connection(serve, part):
    server, _, _ = speaking(serve, part)
    with WebSocket(server, "/ws") as news, pytest.raises(ConnectionError):
        news.text(20)


def test_who_does_not_answer_the_key_speaks_no_websocket(serve):
    server, _, _ = speaking(serve, b"", accept="wrong")
    with pytest.raises(ConnectionError):
        WebSocket(server, "/ws")
    with pytest.raises(ConnectionError):
        WebSocket(Server(serve(lambda heard: (404, b"no")).url), "/ws")


def test_half_a_frame_waits_for_the_rest():
    whole = frame(1, b"x" * 300)
    for cut in (0, 1, 2, 3, 200):
        buffer = bytearray(whole[:cut])
        assert taken_frame(buffer) is None
        buffer += whole[cut:] + b"more"
        assert taken_frame(buffer) == (True, 1, b"x" * 300)
        assert buffer == b"more"


def test_a_frame_without_an_end_is_not_gathered():
    with pytest.raises(ConnectionAbortedError):
        taken_frame(bytearray([0x82, 127]) + struct.pack(">Q", 1 << 40))
