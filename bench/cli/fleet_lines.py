"""What a person sees while the jobs of a fleet run: a table on a terminal, and elsewhere a line for each
change."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import kept_run, output
from bench.fleet import node_states
from bench.schema.fleet_plan import FleetPlan, NodeState
from bench.schema.plurals import how_many

if TYPE_CHECKING:
    from rich.table import Table

_MOST_ROWS = 20
"""Of a table on a terminal, those that are under way first."""
_BETWEEN_SECONDS = 60.0
"""Between two lines that only say how many processes there are by now."""
_ORDER = ("running", "waiting", "not submitted")

States = Mapping[str, NodeState]


@contextmanager
def fleet_progress(plan: FleetPlan, folder: Path) -> Iterator[Callable[[States, str], None]]:
    """A function that is told how the nodes stand, and why the scheduler does not answer."""
    output.note(f"saving to {folder}; {how_many(len(plan.nodes), 'node')}, {plan.executor}")
    lines = FleetLines()
    if output.settings.is_quiet or not sys.stderr.isatty():
        yield lines.tell
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:

        def tell(states: States, trouble: str) -> None:
            lines.count(states)
            live.update(table(states, trouble), refresh=True)

        yield tell


class FleetLines:
    """A line for each change of a node's state, and now and then one for the number of processes."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}
        self._skewed: set[str] = set()
        self._trouble, self._last, self._done = "", time.monotonic(), 0

    def count(self, states: States) -> int:
        """Keep how far the fleet is, for what Ctrl-C says; processes with a record."""
        done = sum(state.done for state in states.values())
        kept_run.current.told(done, sum(state.planned for state in states.values()))
        return done

    def tell(self, states: States, trouble: str) -> None:
        """Say what has changed since the last time; gaps are said with --quiet too."""
        done = self.count(states)
        for node, state in states.items():
            if self._said.get(node, "not submitted") != state.state:
                (output.complain if state.is_gap else output.note)(line(state))
            self._said[node] = state.state
            if node_states.has_odd_clock(state) and node not in self._skewed:
                output.complain(odd_clock(state))
                self._skewed.add(node)
        if trouble and trouble != self._trouble:
            output.complain(f"the scheduler does not answer, still waiting: {trouble}")
        self._trouble = trouble
        if done != self._done and time.monotonic() - self._last > _BETWEEN_SECONDS:
            output.note(f"{done} of {sum(state.planned for state in states.values())} processes measured")
            self._last, self._done = time.monotonic(), done


def line(state: NodeState) -> str:
    """`node3: node lost (NODE_FAIL NodeDown, 3 of 12 processes measured)`"""
    job = f" job {state.job}" if state.job is not None and state.state in _ORDER else ""
    why = f" ({state.reason})" if state.reason else ""
    return f"{state.node}:{job} {state.state}{why}"


def odd_clock(state: NodeState) -> str:
    """By how much, and which way."""
    seconds = state.clock_seconds or 0.0
    way = "ahead of" if seconds > 0 else "behind"
    return f"{state.node}: its clock is {node_states.clock_in_words(seconds)} {way} the shared folder's"


def table(states: States, trouble: str) -> Table:
    """Counts by state, and the nodes that are under way."""
    from rich.table import Table

    counts: dict[str, int] = {}
    for state in states.values():
        counts[state.state] = counts.get(state.state, 0) + 1
    title = ", ".join(f"{count} {name}" for name, count in counts.items())
    shown = Table(title=title, title_justify="left", box=None, caption=trouble or None)
    for column in ("node", "state", "processes", "job", "why"):
        shown.add_column(column, justify="right" if column == "processes" else "left")
    for state in sorted(states.values(), key=_place)[:_MOST_ROWS]:
        count = f"{state.done} of {state.planned}"
        shown.add_row(state.node, state.state, count, state.job or "", state.reason)
    return shown


def _place(state: NodeState) -> int:
    """Running ones first, then those that wait, gaps, and what is complete."""
    if state.state in _ORDER:
        return _ORDER.index(state.state)
    return len(_ORDER) + (not state.is_gap)
