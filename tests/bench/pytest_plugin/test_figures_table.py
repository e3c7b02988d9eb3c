"""The table of rates and memory below pytest-benchmark's, and which columns that has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bench.pytest_plugin import figures_table
from bench.schema.case import Case
from reports.cells import readable
from reports.formats import terminal
from reports.pytest_files import benchmark_tables
from tests.planted import planted_sessions
from tests.planted.planted_sessions import of_case

CASE = Case(model="vgg11", batch=8, threads=2)


class Row:
    """A benchmark of pytest-benchmark's session."""

    has_error = False

    def __init__(self, plain: dict[str, Any]) -> None:
        self._plain = plain
        self.extra_info = plain["extra_info"]

    def as_dict(self, include_data: bool) -> dict[str, Any]:
        assert include_data
        return self._plain


def rows() -> list[Row]:
    name = "test_inference[vgg11-cpu-fp32-eager-b8]"
    training = Case(model="vgg11", workload="training", batch=8, threads=2)
    return [
        Row(of_case(name, CASE, 0.2, device_time=0.19)),
        Row(of_case("test_training[vgg11-backward]", training, 0.4, phase="backward")),
        Row(planted_sessions.benchmark("test_sum", 1e-5)),
    ]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_tables_fit_by_dropping_columns(width: int) -> None:
    found = list(figures_table.read(rows()))
    text = terminal.tables_in(list(benchmark_tables.tables(found)), width, is_colored=False)
    assert max(map(len, text.splitlines())) <= width
    assert "vgg11-cpu-fp32-eager-b8" in text
    assert "200 (194 to 206) †" in text
    assert ("by the device" in text) == (width == 120)


def test_unlike_work_is_never_in_one_table() -> None:
    found = list(figures_table.read(rows()))
    assert [table.title for table in benchmark_tables.tables(found)] == [
        "inference forward",
        "training backward",
    ]
    assert len(found) == 2, "benchmarks of other suites have no rows here"


def test_the_reader_finds_rates_share_and_memory() -> None:
    table = next(benchmark_tables.tables(list(figures_table.read(rows()))))
    (row,) = table.rows
    cells = dict(zip(table.columns, row, strict=True))
    assert {name: cells[name].value for name in ("images/s", "GFLOP/s", "% of peak", "peak (MiB)")} == {  # type: ignore[union-attr]
        "images/s": pytest.approx(40),
        "GFLOP/s": pytest.approx(5),
        "% of peak": pytest.approx(5),
        "peak (MiB)": 1,
    }


def test_what_follows_from_a_time_that_is_not_resolved_is_no_number() -> None:
    """A busy machine gave rounds from one to a hundred milliseconds."""
    wide = of_case("test_vgg", CASE, 0.1)
    wide["stats"]["data"] = [0.001, 0.002, 0.1, 0.1, 0.1, 0.2, 0.3]
    (row,) = next(benchmark_tables.tables(list(figures_table.read([Row(wide)])))).rows
    assert [readable(cell) for cell in row[1:5]] == ["not resolved (1 to 300) †", "?", "?", "?"]


def config(*arguments: str, columns: object = None) -> pytest.Config:
    found: Any = SimpleNamespace(
        invocation_params=SimpleNamespace(args=arguments),
        getini=lambda name: [],
        getoption=lambda name, default=None: columns,
    )
    return found  # type: ignore[no-any-return]


def chosen(config: pytest.Config, benchmarks: list[Row]) -> tuple[object, str]:
    session = SimpleNamespace(benchmarks=benchmarks, columns="theirs", sort="min")
    figures_table.choose_columns(session, config)
    return session.columns, session.sort


def test_the_columns_of_a_session_of_ours_are_few() -> None:
    assert chosen(config(), rows()[:2]) == (["median", "iqr", "rounds"], "name")


def test_other_suites_and_chosen_columns_are_left_alone() -> None:
    assert chosen(config(), rows()) == ("theirs", "min")
    assert chosen(config(), []) == ("theirs", "min")
    assert chosen(config("--benchmark-sort=min", columns=["max"]), rows()[:2]) == ("theirs", "min")


def test_parameters_stand_for_a_test_only_where_they_name_the_network() -> None:
    """`1` and `2` would be rows that nobody can find again."""
    named = {
        "test_lenet[1]": "test_lenet[1]",
        "test_lenet[2]": "test_lenet[2]",
        "test_network[vgg11-b8]": "vgg11-b8",
        "test_vgg": "test_vgg",
    }
    found = list(figures_table.read([Row(of_case(name, CASE, 0.2)) for name in named]))
    assert benchmark_tables.short_names(found) == list(named.values())


def test_an_order_that_the_environment_asks_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--benchmark-sort=min")
    assert chosen(config(), rows()[:2])[1] == "min"
