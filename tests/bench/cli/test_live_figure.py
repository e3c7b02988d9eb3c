"""The line of `time`: planted processes and a planted clock."""

from __future__ import annotations

import io
import sys

import pytest
from msgspec import structs

from bench.cli.live_figure import FigureSoFar, live_figure
from bench.runner.events import Progress
from bench.schema.case import Case
from bench.schema.record import Record
from bench.stats import moderation
from tests.planted import planted_records

CASE = Case(model="vgg16", threads=2, batch=2)


def process(number: int, seconds: float) -> Record:
    case = structs.replace(CASE, replicate=number)
    return planted_records.record(case, planted_records.time("forward", seconds))


def starts(number: int) -> Progress:
    return Progress(case=structs.replace(CASE, replicate=number), done=number - 1, total=2)


def ends(record: Record) -> Progress:
    return Progress(case=record.case, done=record.case.replicate, total=2, record=record)


def test_the_line_says_more_with_every_process() -> None:
    now = iter([0.0, 1.0, 5.0, 6.0, 9.0, 10.0])
    line = FigureSoFar(0.05, lambda: next(now))
    assert line.told(starts(1)) == "vgg16: 1 s; process 1"
    one, two = process(1, 0.2), process(2, 0.242)
    assert line.told(ends(one)) == "vgg16: 200 ms, 10 images/s, 1 process, 5 s; ..."
    assert line.told(starts(2)) == "vgg16: 200 ms, 10 images/s, 1 process, 6 s; process 2"
    scatters = [moderation.process_scatter(each.measurements[0].samples) for each in (one, two)]
    scatter = moderation.case_scatter([each for each in scatters if each is not None])
    moderated = moderation.moderate(scatter, moderation.fit([scatter]))
    interval = moderation.moderated_interval([0.2, 0.242], moderated)
    assert interval is not None
    half = 100 * (interval.high / 0.22 - 1)
    said = f"vgg16: 220 ms ±{half:.2g}%, 9.091 images/s, 2 processes, 9 s; ..."
    assert line.told(ends(two)) == said


def test_what_failed_is_counted_and_in_no_figure() -> None:
    line = FigureSoFar(0.05, lambda: 0.0)
    crashed = planted_records.record(structs.replace(CASE, replicate=1), status="crashed", reason="killed")
    assert line.told(ends(crashed)) == "vgg16: 1 failed, 0 s; ..."
    told = line.told(ends(process(2, 0.2)))
    assert told == "vgg16: 200 ms, 10 images/s, 1 failed, 1 process, 0 s; ..."


def test_without_a_terminal_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where colours are forced."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    with live_figure(0.05) as show:
        show(starts(1))
        show(ends(process(1, 0.2)))
    assert file.getvalue() == ""


def test_on_a_terminal_the_line_is_drawn_and_goes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", screen)
    with live_figure(0.05) as show:
        show(ends(process(1, 0.2)))
        assert "200 ms, 10 images/s, 1 process" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")
