"""What is said below the table of pytest-benchmark."""

from __future__ import annotations

from types import SimpleNamespace

from bench.pytest_plugin.row_warnings import INSTEAD, lines


def row(name: str, scope: str | None, *warnings: str) -> SimpleNamespace:
    info = {} if scope is None else {"interval_scope": scope, "warnings": warnings}
    return SimpleNamespace(name=name, extra_info=info)


def test_each_row_with_a_warning_has_a_line() -> None:
    rows = [row("a", "within-process", "steal: 3%", "bimodal"), row("b", "within-process"), row("c", None)]
    assert list(lines(rows, [])) == ["a: steal: 3%; bimodal"]


def test_a_gate_on_single_processes_is_warned_of() -> None:
    (said,) = lines([row("a", "within-process")], ["median:5%"])
    assert INSTEAD in said


def test_a_gate_on_others_benchmarks_or_on_processes_is_not() -> None:
    assert list(lines([row("a", None), row("b", "across-processes")], ["median:5%"])) == []
