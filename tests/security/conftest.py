"""Hostile names and trees, made when they are wanted."""

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NAMES = [
    *(b"plain.png", b"caf\xe9.png", b"\xff\xfe.png", b"new\nline.png", b"cr\rreturn.png", b"tab\there.png"),
    *(b"esc\x1b[31mred\x1b]0;title\x07.png", b"bell\x07\x08.png", b"nl\r\nforged,line.png", b"null\\0.png"),
    *("emoji \U0001f600\U0001f4f8.png".encode(), "turned \u202egnp.exe.png".encode(), "nfd e\u0301.png".encode()),
    *("nfc \u00e9.png".encode(), "zero\u200bwidth.png".encode(), "line\u2028separator.png".encode()),
    *(b"-rf.png", b"--index.png", b"=cmd|calc!A0.png", b"+1.png", b"@SUM(1).png", b"\t=tab.png"),
    *(b"<script>alert(1)<!--.png", b'"quoted".png', b"'; DROP TABLE files;--.png", b"<img src=x onerror=alert(1)>.png"),
    *(b"%2e%2e%2fetc.png", b"..%2f..%2fx.png", b"..dots.png", b".. .png", b".hidden.png", b"~.png", b"~root.png"),
    *(b" .png", b"trailing space ", b" leading.png", b"x" * 251 + b".png", ("\u00e9" * 125).encode() + b".png"),
    *(b"back\\slash.png", b"C:\\x.png", b"CON.png", b"nul", b"star*?.png", b"[a-z].png", b"UPPER.PNG"),
    *(b"$(touch owned).png", b"`touch owned`.png", b"a;touch owned.png", b"{braces}{{data}}.png", b"%s%n%d.png"),
    *(b"#hash?query&amp;.png", b"file:x.png", b"\xed\xa0\x80surrogate.png", b"\xc0\xafoverlong.png", b"a.txt.png"),
    *(b"dir\n\xff/inside.png", b"-dir/--help.png", b"dots../x../deep.png"),
]
"""Names of good pictures, each of which is to be found, and to come through everything unharmed."""


def draw(path: bytes, number: int) -> None:
    """A picture unlike that of any other number, with one red box in it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pixels = np.full((90, 120, 3), 40 + number, np.uint8)
    pixels[::2] += 20
    pixels[20:60, 10 + number % 50 : 50 + number % 50] = (255, 0, number % 40)
    with open(path, "wb") as file:
        Image.fromarray(pixels).save(file, "PNG")


class HostileTree:
    """A folder of good pictures with bad names, among things that are no pictures at all.

    expected: path -> "indexed" or the reason to skip it; what must not even be counted is not in it
    """

    def __init__(self, home: Path) -> None:
        self.root = os.path.join(os.fsencode(home), b"tree")
        self.outside = os.path.join(os.fsencode(home), b"outside")
        self.expected: dict[bytes, str] = {}
        for number, name in enumerate(NAMES):
            draw(self._expect(name, "indexed"), number)
        draw(os.path.join(self.outside, b"secret.png"), 200)
        self._links()
        self._special_files()
        self._bad_files()
        self._forbidden()
        self._too_deep()
        self._not_counted()

    def _expect(self, name: bytes, what: str) -> bytes:
        path = os.path.join(self.root, name)
        self.expected[path] = what
        return path

    def _links(self) -> None:
        outside, root = self.outside, self.root
        for name, target, reason in (
            (b"to-file.png", os.path.join(outside, b"secret.png"), "outside_root"),
            (b"to-folder", outside, "outside_root"),
            (b"up.png", b"../outside/secret.png", "outside_root"),
            (b"passwd.jpg", b"/etc/passwd", "outside_root"),
            (b"zero.png", b"/dev/zero", "outside_root"),
            (b"process", b"/proc/self", "outside_root"),
            (b"to-root", root, "symlink_loop"),
            (b"self.png", b"self.png", "symlink_loop"),
            (b"inside.png", b"plain.png", "symlink_loop"),
            (b"dangling.png", b"nowhere.png", "not_regular"),
        ):
            os.symlink(target, self._expect(name, reason))

    def _special_files(self) -> None:
        os.mkfifo(self._expect(b"pipe.png", "not_regular"))
        os.mkfifo(self._expect(b"pipe without extension", "not_regular"))
        place = os.getcwd()
        os.chdir(self.root)  # an address of a socket is short
        try:
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(b"socket.png")
            self._expect(b"socket.png", "not_regular")
        finally:
            os.chdir(place)
        with contextlib.suppress(PermissionError):  # only root may make one
            os.mknod(os.path.join(self.root, b"device.png"), 0o020666, os.makedev(1, 5))
            self._expect(b"device.png", "not_regular")

    def _bad_files(self) -> None:
        contents = {
            b"empty.jpg": (b"", "empty"),
            b"text.jpg": (b"no picture at all\n", "not_an_image"),
            b"program.png": (b"\x7fELF\x02\x01\x01" + bytes(60), "not_an_image"),
            b"cut.png": (b"\x89PNG\r\n\x1a\n\x00\x00", "corrupt"),
            b"page.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unsupported_format"),
        }
        for name, (content, reason) in contents.items():
            with open(self._expect(name, reason), "wb") as file:
                file.write(content)
        with open(self._expect(b"sparse.png", "too_large"), "wb") as file:
            file.truncate(600 * 1024 * 1024)
        os.link(os.path.join(self.root, b"plain.png"), self._expect(b"hard-link.png", "indexed"))

    def _forbidden(self) -> None:
        draw(self._expect(b"unreadable.png", "permission"), 201)
        os.chmod(os.path.join(self.root, b"unreadable.png"), 0)
        self.closed = self._expect(b"closed", "permission")
        draw(os.path.join(self.closed, b"inside.png"), 202)
        os.chmod(self.closed, 0)

    def _too_deep(self) -> None:
        """A folder whose path is longer than the system takes; it can be made only from inside."""
        place, name, path = os.getcwd(), b"d" * 250, self.root
        os.chdir(self.root)
        try:
            while len(path) <= 4095 + 260:
                os.mkdir(name)
                os.chdir(name)
                path = os.path.join(path, name)
        finally:
            os.chdir(place)
        steps = (4095 - len(self.root)) // 251 + 1
        self._expect(os.path.join(*[name] * steps), "path_too_long")

    def _not_counted(self) -> None:
        draw(os.path.join(self.root, b".git", b"hidden.png"), 203)
        draw(os.path.join(self.root, b"...", b"hidden.png"), 204)
        draw(os.path.join(self.root, b"other-index", b"thumb.png"), 205)
        for name in (b"other-index/catalog.sqlite", b"Thumbs.txt", b".DS_Store", b"photo.xmp", b"archive.zip"):
            with open(os.path.join(self.root, name), "wb") as file:
                file.write(b"x")

    def good(self) -> set[bytes]:
        """The paths that must end up in an index."""
        return {path for path, what in self.expected.items() if what == "indexed"}


@pytest.fixture(scope="module")
def hostile_tree():
    """Made once a module; outside of pytest's own folder, whose path is long already."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as home:
        tree = HostileTree(Path(home))
        try:
            yield tree
        finally:
            os.chmod(tree.closed, 0o700)
            shutil.rmtree(tree.root, ignore_errors=True)
