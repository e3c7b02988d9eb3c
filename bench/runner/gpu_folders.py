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
from bench.schema.units import REPLACED, SHORT_UUID, UUID_BEGINS
from bench.store import RECORDS, refuse_used, write_whole
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


def with_replaced(plans: Plans, uuids: Sequence[str]) -> tuple[Plans, list[Path]]:
    """The plans of the GPUs that are in the machine now, and the folders of those that are not and lack
    records.

    Where as many GPUs are new as are gone, the new ones take their places. Else nothing tells a replaced GPU
    from one that the driver lost, and all plans stay.
    """
    known = {str(plan.gpu): folder for folder, plan in plans.items()}
    new = [uuid for uuid in uuids if uuid not in known]
    gone = [folder for uuid, folder in known.items() if uuid not in uuids]
    if not gone or len(new) != len(gone):
        return plans, []
    out, plan = gone[0].parent, structs.replace(plans[gone[0]], machine=None)
    added = dict(zip(new, names([*known, *new])[len(known) :], strict=True))
    there = {folder: kept for folder, kept in plans.items() if folder not in gone}
    there |= {out / name: structs.replace(plan, gpu=uuid) for uuid, name in added.items()}
    return there, [folder for folder in gone if plan_file.pending(plans[folder], folder)]


def mark_replaced(folders: Sequence[Path]) -> None:
    """No report reads them any more, but where they are named themselves. UserError where that is refused."""
    for folder in folders:
        write_whole(folder / REPLACED, b"Another GPU took its place in the machine.\n")


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
