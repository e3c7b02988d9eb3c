"""Which processes of a node have records, over all its attempts: a first attempt whose node was given up may
still be writing, and what it writes counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.fleet import fleet_folder
from bench.plan import plan_processes
from bench.plan.feasibility import ACCIDENTS
from bench.runner.plan_file import PLAN
from bench.schema.case import Case
from bench.schema.kept_plan import KeptPlan
from bench.schema.record import FAILED, Status
from bench.schema.units import REPLACED
from bench.store import RECORDS, write_whole


class Coverage(Struct, frozen=True, kw_only=True):
    """Numbers of processes.

    planned    of all run folders of the node
    done       of those: measured, or refused for good
    failed     of those done: `oom`, `invalid` and the like
    accidents  not done, because they crashed or ran into their time limit
    damaged    lines of their records that are none
    replaced   names of GPUs that another one took the place of
    """

    planned: int
    done: int = 0
    failed: int = 0
    accidents: int = 0
    damaged: int = 0
    replaced: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return self.done == self.planned


class _Line(Struct):
    """What a record must say here; the rest of it is passed over."""

    case: Case
    status: Status
    measurements: list[msgspec.Raw] = []

    @property
    def is_accident(self) -> bool:
        """`bench.plan.feasibility.is_retried`, of a line."""
        return self.status in ACCIDENTS or (self.status == "invalid" and not self.measurements)


class RunFile:
    """The lines of a `records.jsonl` that may be growing; each is read once."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0
        self.damaged = 0
        self.lines: dict[Case, tuple[_Line, bytes]] = {}

    def read_on(self) -> None:
        """Take what has come; an unfinished line waits, and one that is no record is passed over."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
        except OSError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        for text in filter(bytes.strip, whole.splitlines()):
            try:
                line = msgspec.json.decode(text, type=_Line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.damaged += 1
                continue
            before = self.lines.get(line.case)
            if before is None or before[0].is_accident:
                self.lines[line.case] = (line, text)


class NodeRecords:
    """What the attempts of a node left; asked again, it reads only what is new."""

    def __init__(self, folder: Path, node: str, plan: KeptPlan) -> None:
        self._folder, self._node, self._plan = folder, node, plan
        self._files: dict[Path, RunFile] = {}
        self._plans: dict[Path, Sequence[Case]] = {}

    def coverage(self) -> Coverage:
        """Over all run folders of the node; of the fleet's own plan while there is none."""
        by_run, replaced = self._by_run()
        if not by_run:
            return Coverage(planned=len(plan_processes.of_plan(self._plan)))
        counted = [_count(self._planned(folders), self._merged(folders)) for folders in by_run.values()]
        return Coverage(
            planned=sum(each.planned for each in counted),
            done=sum(each.done for each in counted),
            failed=sum(each.failed for each in counted),
            accidents=sum(each.accidents for each in counted),
            damaged=sum(file.damaged for file in self._files.values()),
            replaced=replaced,
        )

    def seed(self, attempt: Path) -> bool:
        """Give a new attempt what the earlier ones have measured, so that it measures the rest; whether there
        was any. UserError where the folder refuses."""
        seeded = False
        for name, folders in self._by_run()[0].items():
            lines = [text for line, text in self._merged(folders).values() if not line.is_accident]
            kept = [path for each in folders if (path := each / PLAN).exists()]
            target = attempt / name
            target.mkdir(parents=True, exist_ok=True)
            if kept:
                write_whole(target / PLAN, kept[-1].read_bytes())
            if lines:
                write_whole(target / RECORDS, b"".join(text + b"\n" for text in lines))
            seeded = seeded or bool(kept or lines)
        return seeded

    def _by_run(self) -> tuple[dict[str, list[Path]], tuple[str, ...]]:
        """The folders of one GPU, or of the whole node, over all attempts, by their name in an attempt; and
        the names of GPUs that were replaced."""
        found: dict[str, list[Path]] = {}
        for attempt in fleet_folder.attempt_folders(self._folder, self._node):
            for run in fleet_folder.run_folders(attempt):
                found.setdefault(run.relative_to(attempt).as_posix(), []).append(run)
        replaced = [
            name for name, folders in found.items() if any((each / REPLACED).exists() for each in folders)
        ]
        return {name: folders for name, folders in found.items() if name not in replaced}, tuple(replaced)

    def _merged(self, folders: Sequence[Path]) -> dict[Case, tuple[_Line, bytes]]:
        """A line for each process: one that was measured before one that met an accident."""
        merged: dict[Case, tuple[_Line, bytes]] = {}
        for file in self._read(folders):
            for case, found in file.lines.items():
                if case not in merged or merged[case][0].is_accident:
                    merged[case] = found
        return merged

    def _read(self, folders: Sequence[Path]) -> Iterator[RunFile]:
        for each in folders:
            file = self._files.setdefault(each, RunFile(each / RECORDS))
            file.read_on()
            yield file

    def _planned(self, folders: Sequence[Path]) -> Sequence[Case]:
        """The processes of the plan that the last of these folders keeps, else of the fleet's."""
        for each in reversed(folders):
            if each not in self._plans:
                plan = _kept_plan(each / PLAN)
                if plan is None:
                    continue
                self._plans[each] = plan_processes.of_plan(plan)
            return self._plans[each]
        return plan_processes.of_plan(self._plan)


def _kept_plan(path: Path) -> KeptPlan | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=KeptPlan)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _count(planned: Sequence[Case], lines: dict[Case, tuple[_Line, bytes]]) -> Coverage:
    found = [lines[case][0] for case in planned if case in lines]
    done = [line for line in found if not line.is_accident]
    return Coverage(
        planned=len(planned),
        done=len(done),
        failed=sum(line.status in FAILED for line in done),
        accidents=len(found) - len(done),
    )
