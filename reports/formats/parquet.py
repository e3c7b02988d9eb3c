"""The rows as a Parquet file, for pandas, DuckDB and others: typed columns, missing values as nulls.

It needs pyarrow, which the extra `parquet` installs. https://parquet.apache.org
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bench.host.installed import version_of
from bench.schema.plain_text import encode
from models.errors import UserError
from reports.cells import Scalar
from reports.document import Document, Origin

if TYPE_CHECKING:
    import pyarrow as pa

METADATA = "convbench"
"""The key of the file's metadata under which a JSON object says how it came about."""
UNIT = "unit"
"""The key of a column's metadata."""
UNITS = {
    "images_per_second": "1/s",
    "flops_per_second": "FLOP/s",
    "flops": "FLOP",
    "device_seconds": "s",
    "seconds": "s",
    "level": "s",
    "more_seconds": "s",
    "bytes": "bytes",
    "packed_bytes": "bytes",
    "peak_bytes": "bytes",
    "bytes_moved": "bytes",
    "intensity": "FLOP/byte",
}
"""Of columns that have one; of `median`, `low`, `high`, `base` and `new` the column `unit` says it."""
TIMES = ("at", "started_at", "finished_at", "added_at")
"""Columns of times, as text of ISO 8601."""
_MOST = 2**63


def check() -> None:
    """Raises UserError without pyarrow."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UserError(
            "parquet needs pyarrow, which cannot be imported. Install it: pip install 'convbench[parquet]'"
        ) from error


def render_bytes(document: Document) -> bytes:
    """A column for each field that any row fills, in the order of csv; all rows, as in json.

    Raises UserError for a document without rows: a file without columns is one that others cannot read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: cells for name, cells in _columns(document.rows) if any(c is not None for c in cells)}
    if not columns:
        raise UserError("there is no row to write, and a parquet file without columns cannot be read")
    arrays = {name: _typed(name, cells) for name, cells in columns.items()}
    fields = [
        pa.field(name, each.type, metadata={UNIT: UNITS[name]} if name in UNITS else None)
        for name, each in arrays.items()
    ]
    schema = pa.schema(fields, metadata={METADATA: encode(_about(document))})
    target = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(list(arrays.values()), schema=schema), target, compression="zstd")
    return target.getvalue()


def _columns(rows: Sequence[Mapping[str, Scalar]]) -> list[tuple[str, list[Scalar]]]:
    """A number that is not finite is missing, as in json."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [(name, [_finite(row.get(name)) for row in rows]) for name in names]


def _finite(cell: Scalar) -> Scalar:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _typed(name: str, cells: Sequence[Scalar]) -> pa.Array:
    """By what its cells are: bool, int64, float64, times in UTC, else text."""
    import pyarrow as pa

    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {bool}:
        return pa.array(cells, pa.bool_())
    if kinds == {int} and all(cell is None or -_MOST <= int(cell) < _MOST for cell in cells):
        return pa.array(cells, pa.int64())
    if kinds <= {int, float}:
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    if name in TIMES:
        times = _times(cells)
        if times is not None:
            return pa.array(times, pa.timestamp("us", tz="UTC"))
    return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())


def _times(cells: Sequence[Scalar]) -> list[datetime | None] | None:
    """None where a cell is no time of ISO 8601. One without a zone is in UTC."""
    found: list[datetime | None] = []
    try:
        for cell in cells:
            time = datetime.fromisoformat(str(cell)) if cell not in (None, "") else None
            found.append(time if time is None or time.tzinfo else time.replace(tzinfo=UTC))
    except ValueError:
        return None
    return found


def _about(document: Document) -> Mapping[str, Any]:
    origin = document.origin or Origin()
    return {
        "convbench": version_of("convbench"),
        "title": document.title,
        "command": origin.commands,
        "started_at": origin.started_at,
        "finished_at": origin.finished_at,
        "machines": origin.machines,
        "commits": origin.commits,
        "units": "of median, low, high, base and new as the column `unit` says; of others in their metadata",
    }
