"""One choice of an ablation: what it does to time, memory and accuracy, and what the figures allow to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from bench.schema.phases import WHOLE
from bench.stats.accuracy_verdicts import Difference
from bench.stats.estimates import Ratio
from bench.stats.verdicts import Verdict, unpaired
from reports.ablations.form_pairs import TimedPair, TrainedPair
from reports.ablations.predictions import predicted
from reports.analysis.figure_ratios import parts_of
from reports.cells import Quantity
from reports.tables.wording import with_interval


class Choice(Struct, frozen=True, kw_only=True):
    """A form of a network against its base, timed, trained or both; `subject` is the network."""

    ablation: str
    subject: str
    base: str
    form: str
    timed: TimedPair | None = None
    trained: TrainedPair | None = None

    @property
    def name(self) -> str:
        """`norm none → lrn`; of what has no name the change alone."""
        base = "own" if self.base == "as it is" else self.base
        return f"{self.ablation} {base} → {self.form}"

    @property
    def phase(self) -> str:
        """What was timed as a whole: `step` of training, `forward` of inference."""
        return WHOLE[self.timed.new.case.workload] if self.timed else "step"

    @property
    def ratio(self) -> Ratio | None:
        """New / base of the whole time."""
        return self.timed.ratio(self.phase, self.timed.new.case.workload) if self.timed else None

    @property
    def predicted(self) -> float | None:
        """New / base of the FLOPs."""
        return predicted(self.timed, self.phase) if self.timed else None

    @property
    def time(self) -> Verdict | None:
        """Of the whole time: None where it was not timed."""
        found = self.timed.times(self.phase, self.timed.new.case.workload) if self.timed else None
        if found is None:
            return None
        one, other = found
        return unpaired(one.independent, other.independent, moderated=parts_of(one, other))

    @property
    def accuracy(self) -> Difference | None:
        """None where it was not trained."""
        return self.trained.difference if self.trained else None

    @property
    def learns_nothing(self) -> bool:
        """The base learned, and the form only guesses."""
        return bool(self.trained and self.trained.new.is_at_chance and not self.trained.base.is_at_chance)


def choices_of(ablation: str, timed: Sequence[TimedPair], trained: Sequence[TrainedPair]) -> Iterator[Choice]:
    """A choice for each form of each network; timed under several conditions it is told by the first."""
    times = {_key(pair): pair for pair in reversed(timed)}
    runs = {_key(pair): pair for pair in reversed(trained)}
    for key in dict.fromkeys((*map(_key, timed), *map(_key, trained))):
        subject, base, form = key
        yield Choice(
            ablation=ablation,
            subject=subject,
            base=base,
            form=form,
            timed=times.get(key),
            trained=runs.get(key),
        )


def _key(pair: TimedPair | TrainedPair) -> tuple[str, str, str]:
    return pair.comparison.subject, pair.comparison.base.label, pair.form.label


def ratio_with_ends(found: Ratio | None) -> Quantity | None:
    """`0.84x (0.77x to 0.91x)`; of one process marked, and without a number where it is not resolved."""
    if found is None:
        return None
    told = with_interval(found.value, found.interval, unit="x")
    if found.interval is None:
        return structs.replace(told, of_one=True)
    return structs.replace(told, interval="ends") if told.is_resolved and not told.of_one else told


def memory_of(choice: Choice) -> Quantity | None:
    """New / base of the peak memory."""
    found = choice.timed.peaks if choice.timed else None
    return Quantity(value=found[1].median / found[0].median, unit="x", digits=2) if found else None
