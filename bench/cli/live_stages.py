"""What a person sees while a module is timed in this process: the stage that has begun.

Drawn between the stages and never inside a window, for the drawing would take time from what is measured.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

OnStage = Callable[[str], None]


@contextmanager
def stages(name: str, *, is_wanted: bool = True) -> Iterator[OnStage]:
    """A function to be told of every stage: shown on a terminal or in a notebook, and gone at the end."""
    console = _console()
    if is_wanted and console.is_jupyter:
        with _in_notebook(name) as on_stage:
            yield on_stage
    elif is_wanted and console.is_terminal:
        with _on_terminal(name, console) as on_stage:
            yield on_stage
    else:
        yield lambda stage: None


def _console() -> Console:
    """rich draws a random number when it is first imported, and the caller's generator is not ours."""
    before = random.getstate()
    try:
        from rich.console import Console
    finally:
        random.setstate(before)
    return Console(stderr=True)


@contextmanager
def _on_terminal(name: str, console: Console) -> Iterator[OnStage]:
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = (TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as line:
        task = line.add_task(name)

        def on_stage(stage: str) -> None:
            line.update(task, description=f"{name}: {stage}")
            line.refresh()

        yield on_stage


@contextmanager
def _in_notebook(name: str) -> Iterator[OnStage]:
    """One output that is replaced; without ipywidgets, which rich would ask for."""
    display = importlib.import_module("IPython.display")
    shown = display.display({"text/plain": name}, raw=True, display_id=True)
    yield lambda stage: shown.update({"text/plain": f"{name}: {stage}"}, raw=True)
    shown.update({"text/plain": ""}, raw=True)
