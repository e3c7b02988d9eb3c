"""A suite of the user's own, from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from bench.plan import axes
from bench.plan.axes import AXES
from bench.plan.suite import Block, Suite, first_processes
from bench.schema.case import MeasurementProtocol
from models.errors import UserError, unknown

_LARGEST = 1e9
"""Of steps, samples and seconds: TOML also knows infinity, which no record could hold."""
_OFF = (("energy_seconds", 0.0), ("give_up_seconds", None), ("fewest_samples", None), ("flush_l2", False))
"""What a protocol leaves out."""


def from_toml(path: Path) -> Suite:
    """A suite of one's own: `name`, `summary`, `replicates` or `until`, a table `protocol`, and tables
    `[[cases]]` of axes, each a value or a list. Raises UserError for anything else."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"cannot read suite {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"suite {path} is not valid TOML: {error}") from error
    _only(found, ("name", "summary", "replicates", "until", "protocol", "cases"), f"key in {path}")
    blocks = found.get("cases")
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
        raise UserError(f"{path} needs at least one [[cases]] table")
    replicates, until = _rule(found, path)
    return Suite(
        name=_text(found, "name", path.stem, path),
        summary=_text(found, "summary", "", path),
        blocks=tuple(_block(block, path) for block in blocks),
        replicates=replicates,
        until=until,
        protocol=protocol_of_table(found.get("protocol", {}), str(path)),
    )


def _rule(found: Mapping[str, object], path: Path) -> tuple[int, float | None]:
    """Processes of each case and, where their intervals decide how many follow, the target."""
    if "until" not in found:
        return axes.whole_number("replicates", found.get("replicates", 3), 1, 1000), None
    if "replicates" in found:
        raise UserError(f"{path} has both replicates and until. Give one of them")
    until = axes.positive_number("until", found["until"], 1.0)
    return first_processes(until), until


def _text(table: Mapping[str, object], key: str, usual: str, path: Path) -> str:
    value = table.get(key, usual)
    if not isinstance(value, str):
        raise UserError(f"{key} in {path} must be a string, got {value!r}")
    return value


def _only(table: Mapping[str, object], accepted: tuple[str, ...], kind: str) -> None:
    for key in table:
        if key not in accepted:
            raise unknown(kind, key, accepted)


def _block(table: dict[str, Any], path: Path) -> Block:
    _only(table, tuple(AXES), f"axis in {path}")
    if "model" not in table:
        raise UserError(f"each [[cases]] table of {path} needs a model")
    return {
        axis: axes.read(axis, values if isinstance(values, list) else [values])
        for axis, values in table.items()
    }


def protocol_of_table(table: object, path: str) -> MeasurementProtocol:
    """The protocol with what a table says in the place of its usual values; `path` is where it stands.

    Raises UserError for a key or a value that no protocol has.
    """
    if not isinstance(table, dict):
        raise UserError(f"protocol in {path} must be a table: [protocol]")
    _only(
        table,
        tuple(field.name for field in structs.fields(MeasurementProtocol)),
        f"key in [protocol] of {path}",
    )
    try:
        protocol = msgspec.convert(table, MeasurementProtocol)
    except msgspec.ValidationError as error:
        raise UserError(f"[protocol] of {path}: {error}") from error
    items = structs.asdict(protocol).items()
    if not all(0 < value <= _LARGEST for name, value in items if (name, value) not in _OFF):
        raise UserError(
            f"every value in [protocol] of {path} must be above 0 and at most {_LARGEST:g}; "
            "energy_seconds = 0 turns energy off"
        )
    if protocol.min_samples > protocol.max_samples:
        raise UserError(f"[protocol] of {path}: min_samples must not exceed max_samples")
    if protocol.fewest_samples is not None and protocol.fewest_samples > protocol.min_samples:
        raise UserError(f"[protocol] of {path}: fewest_samples must not exceed min_samples")
    return protocol
