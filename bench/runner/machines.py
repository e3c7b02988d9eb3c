"""On which machine a run goes on: figures of two are never pooled, so a folder stays on one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import devices
from bench.host import environment
from bench.runner.clock_lock import uuid_or_none
from bench.schema.case import Case
from bench.schema.kept_plan import Machine
from bench.schema.record import Environment, Record
from models.errors import UserError


def here(gpu: str | None, cases: Iterable[Case]) -> Machine:
    """This machine, with the board that `gpu` chose or CUDA takes where any of the cases runs on one."""
    described = environment.describe()
    on_gpu = any(devices.traits(name).uses_nvml for name in {case.device for case in cases})
    board = uuid_or_none(gpu) if on_gpu else None
    return Machine(cpu=described.cpu, cores_usable=described.cores_usable, gpu=board)


def recorded(records: Iterable[Record]) -> Machine | None:
    """That of the first record that says it, with the first board that any names; None without one."""
    found: Machine | None = None
    for record in records:
        found = known_with(found, record)
    return found


def known_with(found: Machine | None, record: Record) -> Machine | None:
    """What `recorded` says with one more record, where it says `found` without it."""
    described = record.environment
    if described is None or (found is not None and found.gpu is not None):
        return found
    return Machine(cpu=described.cpu, cores_usable=described.cores_usable, gpu=_board(described))


def refuse_other(directory: Path, began_on: Machine | None, now: Machine) -> None:
    """UserError where a run would go on elsewhere than it began; what is not known of either is no reason."""
    if began_on is None:
        return
    for what, then, here_ in _differences(began_on, now):
        raise UserError(
            f"{directory} was started on {what} {then}, and this is {here_}. Choose another --out, or "
            "continue on the first machine"
        )


def _differences(then: Machine, now: Machine) -> Sequence[tuple[str, object, object]]:
    compared = (
        ("the processor", then.cpu, now.cpu),
        ("a machine whose usable cores were", then.cores_usable, now.cores_usable),
        ("the GPU", then.gpu, now.gpu),
    )
    return [each for each in compared if each[1] != each[2] and None not in each[1:]]


def _board(described: Environment) -> str | None:
    """Of a part of a divided GPU the board is not known."""
    uuid = described.gpu.uuid if described.gpu is not None else None
    return uuid if uuid is not None and uuid.startswith("GPU-") else None
