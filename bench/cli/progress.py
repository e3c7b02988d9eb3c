"""What a person sees while a run goes on: a bar on a terminal, and elsewhere a line for each process.

Both are written between cases and at news only: a thread that redraws the bar would take processor time from
what is measured. Failures are always shown; with --quiet nothing else is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench import datasets
from bench.cli import case_lines, half_widths, kept_run, output
from bench.schema.case import Case
from bench.schema.epochs import EpochDone, TrainingEvent
from bench.schema.record import FAILED

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from bench.runner.events import Progress


@contextmanager
def progress(
    total: int, *, is_wanted: bool = True, in_lines: bool = True, in_seconds: bool = False
) -> Iterator[Callable[[Progress], None]]:
    """A function to be told of every case that starts or ends; without `in_lines` it is silent where there is
    no terminal; `in_seconds` says that `total` is a budget and no number of processes."""
    if not is_wanted:
        yield lambda event: None
        return
    console = _console()
    lines = case_lines.CaseLines(in_seconds=in_seconds)
    with _bar(console) as bar:
        task = bar.add_task("starting", total=total)

        def on_progress(event: Progress) -> None:
            _begin(event, is_shown=console.is_terminal or in_lines)
            if not console.is_terminal:
                if in_lines:
                    _say_line(lines, event)
                return
            _say_failure(bar, event)
            total = None if event.round is None else event.total  # it grows with the rounds
            bar.update(task, completed=event.done, total=total, description=described(event))
            bar.refresh()

        yield on_progress


def _begin(event: Progress, *, is_shown: bool = True) -> None:
    """Remember how far the run is; at its first event say where the records go."""
    if is_shown and not kept_run.current.has_begun and kept_run.current.folder is not None:
        output.note(f"saving to {kept_run.current.folder}")
    kept_run.current.told(event.done, event.total)


def _say_line(lines: case_lines.CaseLines, event: Progress) -> None:
    """Of a process that has ended."""
    if event.record is None:
        return
    said = lines.told(event)
    if event.record.status in FAILED:
        output.complain(said)
    else:
        output.note(said)


def described(event: Progress) -> str:
    """What runs, and in a run with a target how far it is: `round 3, 5 of 16 cases left, widest 7%`."""
    case = f"{event.case.id} #{event.case.replicate}"
    round_ = event.round
    if round_ is None or not round_.of:
        return case
    widest = "" if round_.widest is None else f", widest {half_widths.in_words(round_.widest)}"
    return f"round {round_.number}, {round_.unfinished} of {round_.of} cases left{widest}: {case}"


class TrainingBar:
    """A bar over the epochs of all training runs: epoch, loss, accuracy, images/s, time left; and a line for
    each epoch, as the textbook prints them."""

    def __init__(self, bar: Bar, task: TaskID, is_shown: bool, epochs: Sequence[int]) -> None:
        """For `training`; `epochs` are those of each run that is planned, from which a resumed command knows
        where its bar begins."""
        self._bar, self._task, self._is_shown = bar, task, is_shown
        self._planned = epochs
        self._model, self._last = "", ""
        self._epochs, self._before = 0, 0
        self._learns = True
        self._lines = case_lines.CaseLines()

    def on_progress(self, event: Progress) -> None:
        """A run starts (no record) or has ended."""
        _begin(event)
        if not self._is_shown:
            _say_line(self._lines, event)
        if not self._is_shown or event.case.task is None:
            return
        if event.record is None:
            self._model = event.case.model
            self._epochs, self._last = event.case.task.recipe.epochs, ""
            self._before = sum(self._planned[: event.done])
            self._learns = datasets.get(event.case.task.dataset).learns
            name = f"{event.case.id} seed {event.case.learning_seed}"
            self._bar.console.print(name, markup=False, highlight=False)
            self._draw(0, 0.0)
        else:
            _say_failure(self._bar, event)
            self._before = sum(self._planned[: event.done])
            self._draw(0, 0.0)

    def on_event(self, event: TrainingEvent) -> None:
        """What the run says of itself."""
        if not self._is_shown:
            return
        if not isinstance(event, EpochDone):
            self._draw(event.epoch - 1, event.step / event.steps)
            return
        epoch = event.epoch
        number = f"epoch {epoch.number}/{self._epochs}"
        train = f"train loss {epoch.train_loss:.4f} accuracy {epoch.train_accuracy:.1%}"
        test = f"test loss {epoch.test_loss:.4f} accuracy {epoch.test_accuracy:.1%}"
        speed = f"{epoch.images / epoch.loop_seconds:,.0f} images/s"
        words = (number, train, test, speed) if self._learns else (number, speed)
        # The bar has room for what changes most.
        self._last = "  ".join(words[:2])
        self._bar.console.print("  ".join(("", *words)), markup=False, highlight=False)
        self._draw(epoch.number, 0.0)

    def _draw(self, epochs: int, share: float) -> None:
        description = f"{self._model} {self._last}"
        self._bar.update(self._task, completed=self._before + epochs + share, description=description)
        self._bar.refresh()


@contextmanager
def training(planned: Sequence[Case]) -> Iterator[TrainingBar]:
    """A bar for training runs."""
    console = _console()
    with _bar(console) as bar:
        epochs = [case.task.recipe.epochs if case.task else 0 for case in planned]
        yield TrainingBar(bar, bar.add_task("starting", total=sum(epochs)), console.is_terminal, epochs)


def _console() -> Console:
    from rich.console import Console

    # FORCE_COLOR makes rich take a file for a terminal, and the bar is for eyes alone.
    return Console(stderr=True, force_terminal=sys.stderr.isatty())


def _bar(console: Console) -> Bar:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    is_hidden = output.settings.is_quiet or not console.is_terminal
    return Bar(*columns, console=console, auto_refresh=False, disable=is_hidden)


def _say_failure(bar: Bar, event: Progress) -> None:
    from rich.markup import escape

    if event.record is not None and case_lines.has_no_figures(event.record):
        bar.console.print(escape(case_lines.failure(event)))
