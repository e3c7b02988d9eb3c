"""What a person sees while a run goes on: one bar, redrawn between cases only.

A bar that redraws itself would take processor time from the very thing that is measured, so there is no
refreshing thread. Nothing is shown where standard error is not a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.record import FAILED

if TYPE_CHECKING:
    from bench.run import Progress


@contextmanager
def progress(total: int) -> Iterator[Callable[[Progress], None]]:
    """A function to be told of every case that starts or ends."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    bar = Bar(*columns, console=console, auto_refresh=False, disable=not console.is_terminal)
    with bar:
        task = bar.add_task("starting", total=total)

        def tell(event: Progress) -> None:
            record = event.record
            if not console.is_terminal:
                return
            if record is not None and record.status in (*FAILED, "skipped"):
                bar.console.print(escape(f"{record.status}: {event.case.id}: {record.reason}"))
            bar.update(task, completed=event.done, description=f"{event.case.id} #{event.case.replicate}")
            bar.refresh()

        yield tell
