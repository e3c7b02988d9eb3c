"""In the child: what a case's process has found, pass by pass, kept on the disk between them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.forkserver.kept import keep
from bench.forkserver.stages import stage
from bench.forkserver.stopwatch import Stopwatch
from bench.schema.case_warnings import CaseWarning
from bench.schema.job import Kept
from bench.schema.plain_text import encode
from bench.schema.record import Measurement, Record
from bench.schema.spending import Spending
from bench.schema.step_digest import StepDigest
from models.errors import in_one_line


@dataclass(frozen=True)
class Pass:
    """Something that is asked beside the time, and must not cost it.

    name     in the log and in a warning
    spends   what its seconds count as
    metrics  that the record lacks where it fails: of a family the one that speaks for all of it
    is_fact  whether one process of a case says it for all
    measure  raises whatever a user's module does
    """

    name: str
    metrics: tuple[str, ...]
    measure: Callable[[], list[Measurement]]
    spends: Spending = "probing"
    is_fact: bool = False


@dataclass
class Collected:
    """What a case's process has found so far; `invalid` is the reason why it must not be used.

    `lacks_facts` says whether a pass failed that one process of a case answers for all. `watch` knows what
    its seconds went to, from the making of this on. `step_digest` is None until somebody asks for it.
    """

    measurements: list[Measurement] = field(default_factory=list)
    warnings: list[CaseWarning] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    invalid: str | None = None
    lacks_facts: bool = False
    step_digest: StepDigest | None = None
    watch: Stopwatch = field(default_factory=Stopwatch)

    def take(self, passes: Sequence[Pass], then: Sequence[Pass], record: Callable[[], Record]) -> None:
        """Each pass, after what was found before it is kept; `then` are those that follow all of these."""
        for at, each in enumerate(passes):
            to_come = {one.name: one.metrics for one in (*passes[at:], *then)}
            keep(encode(Kept(record=record(), to_come=to_come)))
            self.attempt(each)

    def attempt(self, each: Pass) -> None:
        """What it measures; where it fails, a warning and the reason why its metrics are absent."""
        try:
            self.measurements += self.measured(each)
        except Exception as error:  # noqa: BLE001 - of any kind: the timings are taken, and must not be lost
            traceback.print_exc()
            self.lacks_facts = self.lacks_facts or each.is_fact
            why = in_one_line(error)
            self.warnings.append(CaseWarning("incomplete", f"{each.name}: {why}"))
            for metric in each.metrics:
                self.absent.setdefault(metric, f"the pass that asks for it failed ({each.name}): {why}")

    def measured(self, each: Pass) -> list[Measurement]:
        """Raises what the pass raises."""
        stage(each.name)
        with self.watch.on(each.spends):
            return each.measure()
