"""A run folder for each GPU of a host below one `--out`: which there are, and the plan that each keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import structs

from bench.plan import suite_plan
from bench.plan.suite_plan import Asked
from bench.record_lines import refusals
from bench.runner import plan_file
from bench.runner.plan_file import PLAN
from bench.schema.kept_plan import KeptPlan
from bench.schema.units import SHORT_UUID, UUID_BEGINS
from bench.store import RECORDS, refuse_used
from models.errors import UserError

Plans = Mapping[Path, KeptPlan]
"""By the folder that keeps it, in the order of measuring."""


def begun(out: Path) -> list[Path]:
    """The folders of single GPUs that hold a plan, by name; none where `out` is a run itself."""
    if (out / RECORDS).exists() or (out / PLAN).exists():
        return []
    named = [path for begin in UUID_BEGINS for path in out.glob(f"{begin}*/{PLAN}")]
    return sorted(path.parent for path in named)


def new_plans(asked: Asked, uuids: Sequence[str], out: Path, *, together: bool) -> Plans:
    """What each GPU is to measure; nothing is written. UserError where the folder is used already.

    Of each a deterministic step is made too, unless nobody wants it: here there is something to compare with.
    """
    refuse_used(out)
    if begun(out):
        raise UserError(f"{out} already contains a run. Add --resume to continue it, or choose another --out")
    digests = asked.step_digest is not False
    at_once = len(uuids) if together else 1
    plan = suite_plan.of_suite(structs.replace(asked, gpus_at_once=at_once, step_digest=digests))
    return {
        out / name: structs.replace(plan, gpu=uuid) for uuid, name in zip(uuids, names(uuids), strict=True)
    }


def kept_plans(asked: Asked, out: Path) -> Plans:
    """What each GPU's folder keeps, with what a resumed run may change. UserError where there is none."""
    plans = {folder: plan_file.plan_for(asked, folder, resume=True) for folder in begun(out)}
    if not plans:
        raise UserError(f"{out} holds no folder for each GPU. Give the --out of a run with --gpu all")
    return plans


def names(uuids: Sequence[str]) -> list[str]:
    """`GPU-3f0c12ab`: of each as much as tells it from the others."""
    length = SHORT_UUID
    while len({uuid[:length] for uuid in uuids}) < len(set(uuids)):
        length += 1
    return [uuid[:length] for uuid in uuids]


def keep(plans: Plans) -> None:
    """Write the plans that no folder has yet, so that all can be resumed whenever the command ends."""
    for folder, plan in plans.items():
        if not (folder / PLAN).exists():
            with refusals(folder):
                folder.mkdir(parents=True, exist_ok=True)
            plan_file.write(folder, plan)


def forget(plans: Plans) -> None:
    """Undo `keep` where nothing was measured."""
    if any((folder / RECORDS).exists() for folder in plans):
        return
    for folder in plans:
        (folder / PLAN).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
    for folder in {folder.parent for folder in plans}:
        with suppress(OSError):
            folder.rmdir()
