"""The CSV of timm's benchmark.py: a row for each network, with columns of inference, of training, or of both.

A value is the mean time of a step (`infer_step_time`, in ms); where that is missing it follows from
`infer_samples_per_sec`. Precision and layout are not in the file. https://github.com/huggingface/pytorch-image-models
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.archive.foreign_file import ForeignBenchmark, ForeignFile, distinct, one_line, time_of
from models.errors import UserError

TOOL = "timm"
HOLDS = "the CSV of benchmark.py"
PHASES = ("infer", "train")
"""What the columns of figures begin with."""
_MODEL, _ERROR = "model", "error"
_STEP, _RATE, _BATCH, _IMAGE = "step_time", "samples_per_sec", "batch_size", "img_size"
_MILLISECONDS = 1e3
_MOST_HEADER = 1 << 16
"""Bytes of a header."""


def is_of(content: bytes) -> bool:
    """By the names of its columns."""
    header = content[:_MOST_HEADER].decode("utf-8-sig", "replace").split("\n", 1)[0]
    try:
        (columns,) = csv.reader([header.strip()])
    except (csv.Error, ValueError):
        return False
    return _MODEL in columns and any(
        f"{phase}_{each}" in columns for phase in PHASES for each in (_STEP, _RATE)
    )


def read(content: bytes, path: Path) -> ForeignFile:
    """Raises UserError for any other file."""
    try:
        text = content.decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if _MODEL not in (rows.fieldnames or ()):
            raise UserError(f"{path} is no CSV file of timm's benchmark.py: it has no column {_MODEL}")
        return ForeignFile(benchmarks=distinct(_benchmarks(rows, path), path))
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no CSV file of timm's benchmark.py: {error}") from error


def _benchmarks(rows: csv.DictReader[str], path: Path) -> Iterator[ForeignBenchmark]:
    for row in rows:
        if None in row or None in row.values():
            raise UserError(f"{path} is damaged: line {rows.line_num} has another number of columns")
        if not one_line(row[_MODEL]):
            raise UserError(f"{path} is damaged: line {rows.line_num} names no model")
        yield from _of_row(row, path)


def _of_row(row: Mapping[str, str], path: Path) -> Iterator[ForeignBenchmark]:
    """Of a network: what has figures, and one that failed where an error is told, or nothing has any."""
    model = one_line(row[_MODEL])
    found = [
        ForeignBenchmark(name=_name(row, model, phase), model=model, seconds=seconds)
        for phase in PHASES
        if (seconds := _seconds(row, phase, path)) is not None
    ]
    yield from found
    if not found or row.get(_ERROR):
        yield ForeignBenchmark(name=model, model=model, failed=True)


def _name(row: Mapping[str, str], model: str, phase: str) -> str:
    """`resnet50/infer/b256/i224`: another batch or image size is another benchmark."""
    sizes = (
        (letter, one_line(row.get(f"{phase}_{each}"))) for letter, each in (("b", _BATCH), ("i", _IMAGE))
    )
    return "/".join((model, phase, *(f"{letter}{size}" for letter, size in sizes if size)))


def _seconds(row: Mapping[str, str], phase: str, path: Path) -> float | None:
    """Of a step; None where the row does not have it."""
    step = _number(row, f"{phase}_{_STEP}", path)
    if step is not None:
        return time_of(step / _MILLISECONDS, row[_MODEL], path)
    rate, batch = _number(row, f"{phase}_{_RATE}", path), _number(row, f"{phase}_{_BATCH}", path)
    return time_of(batch / rate, row[_MODEL], path) if rate and batch is not None else None


def _number(row: Mapping[str, str], column: str, path: Path) -> float | None:
    text = row.get(column) or ""
    try:
        return float(text) if text.strip() else None
    except ValueError as error:
        model = one_line(row[_MODEL])
        raise UserError(f"{path} is damaged: {column} of {model} is no number, {one_line(text)!r}") from error
