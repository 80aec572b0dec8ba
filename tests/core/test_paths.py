from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from amogus_search.core.paths import display_path, path_fields, path_from_text


def test_controls_and_foreign_bytes_are_shown_escaped() -> None:
    assert display_path(b"a\x1b[31m\n\xff.jpg") == r"a\x1b[31m\x0a\xff.jpg"
    assert display_path("right\u202eto left".encode()) == r"right\u202eto left"
    assert display_path("café".encode()) == "café"


@given(st.binary())
def test_any_name_is_one_printable_line(path: bytes) -> None:
    shown = display_path(path)
    assert "\n" not in shown
    assert shown.encode().isascii() or shown.encode().decode() == shown


@given(st.binary())
def test_json_fields_lose_nothing(path: bytes) -> None:
    fields = path_fields(path)
    restored = bytes.fromhex(fields["path_hex"]) if "path_hex" in fields else fields["path"].encode()
    assert restored == path


def test_paths_come_from_text_bytes_and_path_objects() -> None:
    assert path_from_text("a\udcffb") == b"a\xffb"
    assert path_from_text(b"a") == path_from_text(Path("a")) == b"a"
