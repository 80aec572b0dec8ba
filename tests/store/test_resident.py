from __future__ import annotations

from pathlib import Path

import pytest

from amogus_search.store import resident


@pytest.fixture
def switch(tmp_path, monkeypatch):
    """What the system says of large pages."""
    path = tmp_path / "enabled"
    path.write_text("always [madvise] never\n")
    monkeypatch.setattr(resident, "_SWITCH", path)
    return path


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """What the system says of its memory: four megabytes are free."""
    path = tmp_path / "meminfo"
    path.write_text("MemTotal: 100000 kB\nMemAvailable: 4096 kB\n")
    monkeypatch.setattr(resident, "_FREE", path)
    monkeypatch.setattr(resident, "_LIMITS", ())
    return path


def written(path: Path, size: int) -> Path:
    path.write_bytes(bytes(range(256)) * (size // 256))
    return path


def test_a_file_comes_whole_into_memory(tmp_path, switch, memory, monkeypatch):
    monkeypatch.setattr(resident, "_PIECE", 1000)
    path = written(tmp_path / "f", 256 * 100)
    found = resident.in_large_pages(path)
    if not hasattr(resident.mmap, "MADV_HUGEPAGE"):
        pytest.skip("this system has no large pages")
    assert found.tobytes() == path.read_bytes()


def test_without_room_large_pages_or_a_file_there_is_nothing(tmp_path, switch, memory):
    assert resident.in_large_pages(written(tmp_path / "large", 2**21)) is None
    assert resident.in_large_pages(tmp_path / "nowhere") is None
    assert resident.in_large_pages(written(tmp_path / "empty", 0)) is None
    path = written(tmp_path / "f", 2560)
    memory.write_text("nothing that is understood: 1 kB")
    assert resident.in_large_pages(path) is None
    memory.write_text("MemAvailable: 4096 kB")
    switch.write_text("always madvise [never]\n")
    assert resident.in_large_pages(path) is None
    switch.unlink()
    assert resident.in_large_pages(path) is None


def test_what_a_container_may_use_counts(tmp_path, memory, monkeypatch):
    limit, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(resident, "_LIMITS", ((limit, used), (tmp_path / "none", used)))
    assert resident.free_bytes() == 4096 * 1024
    limit.write_text("max\n")
    used.write_text("1000\n")
    assert resident.free_bytes() == 4096 * 1024
    limit.write_text("5000\n")
    assert resident.free_bytes() == 4000
