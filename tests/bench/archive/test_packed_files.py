"""An entry may come from anybody: it fills neither memory nor disk, and writes nothing outside."""

from __future__ import annotations

import lzma
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.archive.packed_files import DamagedError, RunFile, pack, unpack, unpacked
from bench.archive.record_facts import facts_of
from bench.schema.archive_entry import KeptFile

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def packed(tmp_path: Path, files: dict[str, bytes]) -> tuple[Path, tuple[KeptFile, ...]]:
    given = []
    for number, (path, content) in enumerate(files.items()):
        (tmp_path / f"source{number}").write_bytes(content)
        given.append(RunFile(tmp_path / f"source{number}", path))
    return tmp_path / "contents.xz", pack(given, tmp_path / "contents.xz")


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    files = {"records.jsonl": b"x" * 3_000_000, "empty": b"", "jobs/n1.json": b"{}", "z": b"\0\xff"}
    contents, kept = packed(tmp_path, files)
    unpack(contents, kept, tmp_path / "out")
    found = {str(f.relative_to(tmp_path / "out")): f for f in (tmp_path / "out").rglob("*") if f.is_file()}
    assert {name: file.read_bytes() for name, file in found.items()} == files


@pytest.mark.parametrize(
    "paths",
    [
        ["../out"],
        ["/etc/passwd"],
        ["a/../../b"],
        ["a//b"],
        ["."],
        [""],
        ["a\\..\\b"],
        ["a\0b"],
        ["a", "a"],
        ["a", "a/b"],
        ["/".join("d" * 17)],
    ],
)
def test_a_path_that_no_run_has_is_refused_before_anything_is_written(
    tmp_path: Path, paths: Sequence[str]
) -> None:
    (tmp_path / "contents.xz").write_bytes(lzma.compress(b""))
    kept = [KeptFile(path=path, size=0, sha256=EMPTY) for path in paths]
    with pytest.raises(DamagedError):
        unpack(tmp_path / "contents.xz", kept, tmp_path / "inner" / "out")
    assert not (tmp_path / "inner").exists()


def test_a_bomb_fills_neither_memory_nor_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 MB in 15 kB, said to be 10 bytes, or a record."""
    monkeypatch.setattr("bench.archive.record_facts.MOST_LINE_BYTES", 4 << 20)
    contents = tmp_path / "contents.xz"
    compressor = lzma.LZMACompressor(preset=1)
    with contents.open("wb") as file:
        for _ in range(100):
            file.write(compressor.compress(b"0" * 1_000_000))
        file.write(compressor.flush())
    tracemalloc.start()
    for size in (10, 100_000_000):
        kept = [KeptFile(path="records.jsonl", size=size, sha256=EMPTY)]
        with pytest.raises(DamagedError):
            facts_of(contents, kept, tmp_path)
    with pytest.raises(DamagedError):
        unpack(contents, [KeptFile(path="x", size=10, sha256=EMPTY)], tmp_path / "out")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert (tmp_path / "out" / "x").stat().st_size <= 10


def test_a_stream_that_wants_much_memory_is_refused(tmp_path: Path) -> None:
    contents = tmp_path / "contents.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]
    contents.write_bytes(lzma.compress(b"hello", filters=filters))
    with pytest.raises(DamagedError, match="cannot be decompressed"):
        list(*(blocks for _, blocks in unpacked(contents, [KeptFile(path="x", size=5, sha256=EMPTY)])))


@pytest.mark.parametrize("cut", [1, 20])
def test_a_stream_that_ends_early_or_goes_on_is_refused(tmp_path: Path, cut: int) -> None:
    contents, kept = packed(tmp_path, {"a": b"1" * 1000})
    whole = contents.read_bytes()
    for damaged in (whole[:-cut], whole + b"x" * cut, whole + whole):
        contents.write_bytes(damaged)
        with pytest.raises(DamagedError):
            unpack(contents, kept, tmp_path / f"out{len(damaged)}")


def test_a_link_in_the_place_of_the_contents_is_not_followed(tmp_path: Path) -> None:
    contents, kept = packed(tmp_path, {"a": b"1"})
    (tmp_path / "link").symlink_to(contents)
    with pytest.raises(OSError, match="symbolic"):
        unpack(tmp_path / "link", kept, tmp_path / "out")
