"""`import convbench`, as a program uses it: runs, figures, comparisons, types, foreign packages."""

from __future__ import annotations

import ast
import inspect
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import convbench
from bench.schema.case import Case
from models.alexnet import ALEXNET
from models.closed_form import cost as closed_form
from tests.planted import archived_nights
from tests.planted.commands import ROOT, Command
from tests.planted.planted_nights import PlantedNights
from tests.planted.planted_records import example, replicates, write

SMALL = Case(model="lenet5", image=28, channels=1, classes=10)


@pytest.fixture(name="convbench_command")
def _command(request: pytest.FixtureRequest) -> Command:
    """The command line, whose fixture has the name of the module."""
    command: Command = request.getfixturevalue("command_line")
    return command


def python(
    code: str, *options: str, folder: Path = ROOT, path: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_importing_imports_neither_torch_nor_anything_else_that_is_heavy() -> None:
    """The time itself is a benchmark: bench/test_harness.py."""
    heavy = "{'torch', 'scipy', 'numpy', 'matplotlib', 'rich', 'typer', 'jinja2', 'sklearn', 'psutil'}"
    done = python(f"import convbench, sys; print({heavy} & set(sys.modules))")
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.slow
def test_a_closed_form_and_a_report_need_no_torch(tmp_path: Path) -> None:
    write(tmp_path / "run", example())
    code = (
        "import convbench, sys; convbench.cost('vgg16'); convbench.load('run').rows()\n"
        "print('torch' in sys.modules)"
    )
    assert python(code, folder=tmp_path).stdout == "False\n"


def test_none_of_the_packages_imports_the_public_module() -> None:
    for package in ("bench", "models", "reports"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert "convbench" not in names, file


def test_all_that_is_public_is_documented_and_the_rest_is_private() -> None:
    for name in convbench.__all__:
        public = getattr(convbench, name)
        assert len((public.__doc__ or "").split()) > 8, name
        if inspect.isfunction(public):
            assert "Raises UserError" in (public.__doc__ or ""), name
    module = ast.parse((ROOT / "convbench.py").read_text(encoding="utf-8"))
    defined = {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert {name for name in defined if not name.startswith("_")} <= set(convbench.__all__)


@pytest.mark.slow
def test_the_stubs_are_those_of_the_module(tmp_path: Path) -> None:
    """Names, arguments and defaults; what other modules say of their types would only take time."""
    others = "".join(
        f"[mypy-{name}.*]\nfollow_imports = skip\n" for name in ("torch", "bench", "models", "reports")
    )
    (tmp_path / "mypy.ini").write_text(f"[mypy]\n{others}")
    command = [sys.executable, "-m", "mypy.stubtest", "convbench", "--mypy-config-file"]
    done = subprocess.run([*command, str(tmp_path / "mypy.ini")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_cost_of_a_network_is_its_closed_form() -> None:
    found = convbench.cost("alexnet", image=96, channels=1, classes=10, batch=4)
    assert found == closed_form(ALEXNET, image=96, channels=1, classes=10, batch=4)


@pytest.mark.slow
def test_a_network_that_is_not_ours_is_counted() -> None:
    assert convbench.cost("torchvision:alexnet", image=64).parameters == 61_100_840


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "lenet6"}, "Did you mean 'lenet5'"),
        ({"model": "vgg16", "image": 8}, "smallest image that works is 32x32"),
        ({"model": "vgg16", "image": 0}, "image must be a whole number from 1"),
        ({"model": "vgg16", "batch": "many"}, "batch must be a whole number from 1"),
        ({"model": "lenet5,alexnet"}, "model must be a single value here, got 'lenet5,alexnet'"),
        ({"model": "vgg16", "image": "64,96"}, "image must be a single value here, got '64,96'"),
    ],
)
def test_bad_input_of_cost_is_one_sentence(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(convbench.UserError, match=words):
        convbench.cost(**arguments)


def test_runs_of_several_machines_are_merged_and_missing_shards_noted(tmp_path: Path) -> None:
    first = [replace(record, sequence=number) for number, record in enumerate(example(), start=1)]
    runs = [write(tmp_path / name, of) for name, of in (("a", first[:2]), ("b", first[2:4]))]
    merged = convbench.merge(*runs, out=tmp_path / "all")
    assert (merged.folders, merged.notes) == ((tmp_path / "all",), ())
    assert merged.rows()
    with pytest.raises(convbench.UserError, match="already contains a run"):
        convbench.merge(*runs, out=tmp_path / "all")


def test_a_folder_of_runs_is_loaded_as_all_of_them(tmp_path: Path) -> None:
    for name, records in (("GPU-a", example()[:2]), ("GPU-b", example()[2:4])):
        write(tmp_path / "host" / name, records)
    assert convbench.load(tmp_path / "host").rows() == convbench.Run(folders=(tmp_path / "host",)).rows()
    (tmp_path / "none").mkdir()
    with pytest.raises(convbench.UserError, match="not a run folder"):
        convbench.load(tmp_path / "none")


def test_rows_are_those_of_the_json_report_with_the_same_keys_in_each(
    convbench_command: Command, tmp_path: Path
) -> None:
    folder = write(tmp_path / "run", example())
    rows = convbench.load(folder).rows()
    printed = convbench_command("report", folder, "--format", "json").rows()
    keys = list(rows[0])
    assert all(list(row) == keys for row in rows)
    told = [{key: row.get(key) for key in keys} for row in printed]
    assert sorted(map(repr, (_plain(row) for row in rows))) == sorted(
        map(repr, (_plain(row) for row in told))
    )
    assert json.dumps(rows, allow_nan=False)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """With every number as the same kind of number."""
    return {key: float(cell) if isinstance(cell, int) else cell for key, cell in row.items()}


def test_a_table_finds_the_type_of_every_column_in_its_first_rows(tmp_path: Path) -> None:
    """Polars looks at a hundred rows, and why a figure is absent stands in the last ones of a report."""
    many = [record for batch in range(1, 121) for record in replicates(replace(SMALL, batch=batch), [0.1])]
    rows = convbench.load(write(tmp_path / "run", [*many, *example()])).rows()
    leading = rows[:100]
    assert len(rows) > 150
    for key in rows[0]:
        types = {type(row[key]) for row in rows} - {type(None)}
        assert len(types) <= 1, key
        assert {type(row[key]) for row in leading} - {type(None)} == types, key


def test_a_report_is_the_command_lines(convbench_command: Command, tmp_path: Path) -> None:
    folder = write(tmp_path / "run", example())
    assert convbench.load(folder).report("csv") == convbench_command("report", folder, "--format", "csv").out
    with pytest.raises(convbench.UserError, match="Did you mean 'html'"):
        convbench.load(folder).report("htm")


def test_several_folders_are_pooled(tmp_path: Path) -> None:
    for name, seconds in (("a", [0.1, 0.1]), ("b", [0.3, 0.3])):
        write(tmp_path / name, replicates(SMALL, seconds))
    [row] = [r for r in convbench.load(tmp_path / "a", tmp_path / "b").rows() if r["metric"] == "wall_time"]
    assert row["median"] == pytest.approx(0.2, rel=0.2)


@pytest.mark.parametrize("given", ["yes", 1])
def test_what_is_neither_true_nor_false_is_refused_in_a_sentence(tmp_path: Path, given: Any) -> None:
    with pytest.raises(convbench.UserError, match=f"^flush_l2 must be true or false, got {given!r}"):
        convbench.run(out=tmp_path / "run", model="lenet5", flush_l2=given)


def test_a_folder_without_a_run_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(convbench.UserError, match="is not a run folder"):
        convbench.load(tmp_path)
    with pytest.raises(convbench.UserError, match="there is no directory"):
        convbench.load(tmp_path / "none")


def test_a_comparison_gives_typed_rows(tmp_path: Path) -> None:
    steady = [0.100, 0.1001, 0.0999, 0.1, 0.1002]
    write(tmp_path / "a", replicates(SMALL, steady))
    write(tmp_path / "b", replicates(SMALL, [1.5 * seconds for seconds in steady]))
    [row] = convbench.compare(tmp_path / "a", convbench.load(tmp_path / "b"))
    assert row.verdict == "slower"
    assert row.low is not None
    assert row.high is not None
    assert row.ratio == pytest.approx(1.5, rel=0.01)
    assert row.low < 1.5 < row.high
    assert row.case.model == "lenet5"
    for margin in (0, -1, 0.6, float("nan")):
        with pytest.raises(convbench.UserError, match="margin must be a number above 0"):
            convbench.compare(tmp_path / "a", tmp_path / "b", margin=margin)
    with pytest.raises(convbench.UserError, match="are the same run"):
        convbench.compare(tmp_path / "a", tmp_path / "a")
    with pytest.raises(convbench.UserError, match="at least one run folder on each side"):
        convbench.compare(tmp_path / "a", [])


def test_changes_over_time_have_names_and_sizes(tmp_path: Path) -> None:
    nights = PlantedNights(nights=30, cases=2, processes=2, samples=3, steps={(1, 20): 0.1})
    archived_nights.archive(nights, tmp_path)
    found = convbench.trend("alex*", archive=tmp_path / "archive", label="nightly")
    (series,) = found.series
    (change,) = series.told
    assert (series.series.model, change.what, change.at) == ("alexnet", "step", 20)
    assert change.shift.low < change.shift.log_ratio < change.shift.high
    assert change.shift.log_ratio == pytest.approx(math.log(1.1), abs=0.02)
    assert change.acknowledged is None
    assert not convbench.trend(archive=tmp_path / "archive", since="1d").series
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"label": "nigthly"}, "Did you mean 'nightly'"),
        ({"since": "yesterday"}, "--since takes days, as 90d"),
        ({"archive": tmp_path}, "there is no archive at"),
    )
    for arguments, words in refused:
        with pytest.raises(convbench.UserError, match=words):
            convbench.trend(**{"archive": tmp_path / "archive", **arguments})


@pytest.mark.slow
def test_a_run_is_measured_into_its_folder_and_loaded(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"model": "lenet5", "image": 28, "device": "cpu", "threads": 1, "target_ci": 1.0}
    made = convbench.run(out=tmp_path / "run", batch=[1, 2], replicates=1, progress=False, **asked)
    assert made.statuses == {"ok": 2}
    assert made.remaining == 0
    rows = convbench.load(tmp_path / "run").rows()
    assert {row["batch"] for row in rows} == {1, 2}
    assert made.rows() == rows
    again = convbench.run(
        out=tmp_path / "run",
        batch=[1, 2],
        replicates=1,
        progress=False,
        resume=True,
        **asked,
    )
    assert again.statuses == {"ok": 2}
    with pytest.raises(convbench.UserError, match="already contains a run"):
        convbench.run(out=tmp_path / "run", batch=1, replicates=1, progress=False, **asked)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "lenet6"}, "Did you mean 'lenet5'"),
        ({"model": ["lenet5", "vgg"]}, "unknown model 'vgg'"),
        ({"suite": "quik"}, "Did you mean 'quick'"),
        ({"batch": 0}, "batch must be a whole number from 1"),
        ({"batch": [1.5]}, "batch must be a whole number from 1"),
        ({"batch": []}, "batch needs at least one value"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"replicates": 0}, "replicates must be a whole number from 1 to 1000"),
        ({"until": 5}, "until must be a number above 0 and up to 1, got 5"),
        ({"until": "5 percent"}, "until must be a number above 0 and up to 1"),
        ({"until": 0.05, "replicates": 3}, "give --replicates"),
        ({"resume": True}, "is not a run folder"),
        ({"target_ci": 2.0}, "target-ci must be a number above 0"),
        ({"time_limit_seconds": float("nan")}, "time-limit must be a number of seconds above 0"),
        ({"budget_seconds": -1}, "budget must be a number of seconds above 0"),
        ({"precision": "tf32", "device": "cpu"}, "run on this machine"),
    ],
)
def test_bad_input_of_run_is_one_sentence_before_anything_is_written(
    arguments: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(convbench.UserError, match=words):
        convbench.run(out=tmp_path / "run", progress=False, **arguments)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("package", ["bench", "models", "reports"])
def test_a_package_of_another_project_is_named_in_one_sentence(package: str, tmp_path: Path) -> None:
    """Where it comes first on Python's path, as one in the user's own folder does."""
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    done = python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import convbench", path=ROOT)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: the package {package} that Python finds is not convbench's: ")
    assert str(tmp_path / package) in last
