"""The stages of a measurement on a terminal, in a notebook, and nowhere else."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import rich.console

from bench.cli.live_stages import stages


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What rich finds out about where it prints."""

    def where(**found: bool) -> None:
        real = rich.console.Console

        def make(**options: Any) -> Any:
            made = real(force_terminal=found.get("terminal", False), force_jupyter=False, **options)
            made.is_jupyter = found.get("jupyter", False)
            return made

        monkeypatch.setattr(rich.console, "Console", make)

    return where


def test_a_terminal_shows_each_stage(console: Any, capsys: pytest.CaptureFixture[str]) -> None:
    console(terminal=True)
    with stages("Net") as on_stage:
        on_stage("warming up")
        on_stage("sampling")
    shown = capsys.readouterr()
    assert "Net: warming up" in shown.err
    assert "Net: sampling" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(("terminal", "is_wanted"), [(False, True), (True, False)])
def test_nothing_is_shown_elsewhere_or_where_it_is_not_wanted(
    terminal: bool, is_wanted: bool, console: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    console(terminal=terminal)
    with stages("Net", is_wanted=is_wanted) as on_stage:
        on_stage("warming up")
    assert capsys.readouterr() == ("", "")


def test_a_notebook_has_one_output_that_is_replaced(console: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[str] = []
    handle = SimpleNamespace(update=lambda data, raw: outputs.append(data["text/plain"]))

    def display(data: dict[str, str], raw: bool, display_id: bool) -> SimpleNamespace:
        outputs.append(data["text/plain"])
        return handle

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    console(jupyter=True)
    with stages("Net") as on_stage:
        on_stage("warming up")
    assert outputs == ["Net", "Net: warming up", ""]
