"""Where a line may stand: what the import rules of pyproject.toml cannot say (tests/test_import_rules.py)."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.planted.commands import ROOT

PACKAGES = ("bench", "models", "reports")
OF_EVERY_PACKAGE = ("__init__.py", "__main__.py")


def python_files(root: Path) -> list[Path]:
    """All that is ours, relative to `root`; `examples/` stands for a user's own folder."""
    folders = (root / folder for folder in (*PACKAGES, "tests", ".ci"))
    found = [file for folder in folders for file in folder.rglob("*.py")]
    return sorted(file.relative_to(root) for file in [*found, *root.glob("*.py")])


def module_name(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


# Names


def repeated_names(files: list[Path]) -> dict[str, list[str]]:
    """File name -> where it stands, of those that stand in two places."""
    places = defaultdict(list)
    for file in files:
        if file.name not in OF_EVERY_PACKAGE:
            places[file.name].append(str(file))
    return {name: found for name, found in places.items() if len(found) > 1}


def test_every_file_name_is_unique() -> None:
    """One name, one room: in a search, in a traceback and in `from bench import x`; pytest needs it too."""
    assert repeated_names(python_files(ROOT)) == {}


def test_a_repeated_file_name_is_seen() -> None:
    files = [
        Path("bench/plan/axes.py"),
        Path("reports/axes.py"),
        Path("a/__init__.py"),
        Path("b/__init__.py"),
    ]
    assert repeated_names(files) == {"axes.py": ["bench/plan/axes.py", "reports/axes.py"]}


def test_every_package_says_what_it_holds() -> None:
    """setuptools, pkgutil and mypy read the `__init__`; a reader its first line."""
    for file in python_files(ROOT):
        if file.parts[0] in PACKAGES:
            beginning = ROOT / file.with_name("__init__.py")
            assert beginning.exists(), f"{file.parent}/ has no __init__.py"
            assert ast.get_docstring(tree(beginning)), f"{file.parent}/__init__.py has no docstring"


# Tests mirror the packages

OF_SEVERAL_MODULES = {
    "bench/archive/test_archive_at_once.py": "processes that use an archive at once, and are killed",
    "bench/archive/test_archive_scale.py": "adding to an archive of five years, and its index",
    "bench/cli/test_gpu_option.py": "one option of every command that measures",
    "bench/cli/test_compare_command.py": "the commands compare and ab",
    "bench/child/training/test_gradient_norms.py": "what the learner and the worker do with norms",
    "bench/contracts/test_devices.py": "every device against the contract",
    "bench/contracts/test_engines.py": "every engine against the contract",
    "bench/contracts/test_third_device.py": "a planted device wherever devices are asked for",
    "bench/contracts/test_workloads.py": "every workload against the contract",
    "bench/runner/test_compile_caches.py": "a compiled case from the parent to its caches",
    "reports/formats/test_answers.py": "a report with an answer in every format",
    "bench/runner/test_training_attempts.py": "a training run from the parent to its checkpoints",
    "bench/stats/test_simulated_fleets.py": "the error rates of a fleet judged and confirmed",
    "bench/stats/test_simulated_moderation.py": "the error rates of moderated intervals, verdicts and rounds",
    "bench/stats/test_simulated_series.py": "the error rates of what is told of series of runs",
    "bench/stats/test_simulations.py": "the error rates of all statistics together",
    "reports/formats/test_page.py": "page.js and page.css, in a browser",
    "reports/formats/test_runs_page.py": "page.runs.js and page.runs.css, in a browser",
    "reports/over_time/test_trend_scale.py": "the page of an archive of five years",
    "reports/summary/test_old_schemas.py": "kept runs from the records to the report",
}
"""Tests that no single module has the name of, and what they test."""


def test_the_test_of_a_module_stands_where_the_module_does() -> None:
    """P/x.py is tested by tests/P/test_x.py, or with all of P by tests/P/test_P.py."""
    for file in python_files(ROOT / "tests"):
        if file.parts[0] not in PACKAGES or str(file) in OF_SEVERAL_MODULES:
            continue
        tested = file.stem.removeprefix("test_")
        assert file.stem != tested, f"tests/{file} is no test; what tests share stands in tests/planted/"
        alone = ROOT / file.with_name(f"{tested}.py")
        assert alone.exists() or file.parent.name == tested, f"tests/{file}: there is no {alone}"
        assert (ROOT / file.parent).is_dir()


def test_tests_of_several_modules_exist() -> None:
    assert [name for name in OF_SEVERAL_MODULES if not (ROOT / "tests" / name).exists()] == []


# Imports, file by file: the linter sees packages


class Import(NamedTuple):
    """A name that a file imports, and where: anywhere, so that imports for type checking count too."""

    name: str
    line: int
    at_the_top: bool
    """Whether importing the file does it: outside functions and `if TYPE_CHECKING`."""


def imports(node: ast.AST, at_the_top: bool = True) -> Iterator[Import]:
    """Every import below `node`."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.Import):
            yield from (Import(alias.name, inner.lineno, at_the_top) for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, "imports are absolute"
            names = (f"{inner.module}.{alias.name}" for alias in inner.names)
            yield from (Import(name, inner.lineno, at_the_top) for name in names)
        elif not isinstance(inner, ast.expr):
            yield from imports(inner, at_the_top and not _is_late(inner))


def _is_late(node: ast.AST) -> bool:
    """Whether what stands inside is not imported with the file."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test).endswith("TYPE_CHECKING")
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def imported_files(root: Path) -> dict[str, set[str]]:
    """Module -> the modules of ours whose files it imports."""
    files = {module_name(file): file for file in python_files(root)}
    graph = {}
    for module, file in files.items():
        wanted = [found.name for found in imports(tree(root / file))]
        # Of `from bench.stats.estimates import median` the file is bench/stats/estimates.py.
        nearest = {name if name in files else name.rpartition(".")[0] for name in wanted}
        graph[module] = (nearest & files.keys()) - {module}
    return graph


def circle(root: Path) -> list[str]:
    """Modules each of which imports the next, the last the first; empty if there are none."""
    try:
        TopologicalSorter(imported_files(root)).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_no_file_imports_itself_through_others() -> None:
    """The linter looks at packages and their children; here every file counts, and every import of it."""
    assert circle(ROOT) == []


@pytest.mark.parametrize(
    "back",
    [
        "import bench.plan.wishes",
        "from bench.plan import wishes",
        "from bench.plan.wishes import Wish",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bench.plan.wishes import Wish",
        "def late():\n    from bench.plan import wishes",
    ],
)
def test_a_planted_circle_is_seen(tmp_path: Path, back: str) -> None:
    plan = tmp_path / "bench" / "plan"
    plan.mkdir(parents=True)
    (plan / "__init__.py").touch()
    (plan / "wishes.py").write_text("from bench.plan.cases import CASES\nclass Wish: ...")
    (plan / "cases.py").write_text("CASES = ()")
    assert circle(tmp_path) == []
    (plan / "cases.py").write_text(f"CASES = ()\n{back}")
    assert set(circle(tmp_path)) == {"bench.plan.wishes", "bench.plan.cases"}


# Torch: seconds to import, and a parent that holds none of it can fork and measure others

HEAVY = ("torch", "torchvision", "timm", "fvcore")
IN_THE_CHILD = (
    *("bench.child.*", "bench.distributed.*", "bench.probes.*"),
    *("bench.selftest.planted", "bench.selftest.known_*", "bench.plain_training"),
    *("models.build", "models.external", "models.factory", "models.library_networks", "models.load"),
    *("models.network", "models.plain_module", "models.process_state", "models.random_state"),
    *("models.tiled_weights", "models.user_code", "models.user_inputs"),
    ".ci.*",  # programs of their own
)
"""What only a child imports, and may begin with torch."""
IN_FUNCTIONS = (
    *("bench.devices.*", "bench.engines.*", "bench.strategies.*", "bench.workloads.*", "bench.datasets.*"),
    *(
        "bench.tensors",
        "bench.cuda_queue",
        "bench.outputs.*",
        "bench.rank_steps.*",
        "bench.test_*",
        "bench.training_race",
        "convbench",
    ),
    *("bench.pytest_plugin.convbench_fixture", "bench.pytest_plugin.ready_step"),
    "bench.pytest_plugin.torch_settings",
    # For type checking alone.
    *(
        "bench.contracts.dataset",
        "bench.contracts.rank_strategy",
        "bench.contracts.steps",
        "bench.fresh_inputs",
    ),
)
"""What a parent imports too, for names: torch stands in its functions."""


def torch_out_of_place(module: str, parsed: ast.Module) -> list[Import]:
    """The imports of torch, and of what brings it, that `module` may not have."""
    heavy = [found for found in imports(parsed) if found.name.split(".")[0] in HEAVY]
    if any(fnmatchcase(module, pattern) for pattern in IN_THE_CHILD):
        return []
    if any(fnmatchcase(module, pattern) for pattern in IN_FUNCTIONS):
        return [found for found in heavy if found.at_the_top]
    return heavy


def test_torch_stands_only_where_a_child_works() -> None:
    for file in python_files(ROOT):
        if file.parts[0] != "tests":
            assert torch_out_of_place(module_name(file), tree(ROOT / file)) == [], file


@pytest.mark.parametrize(
    ("module", "text", "seen"),
    [
        ("bench.runner.attempt", "import torch", True),
        ("bench.runner.attempt", "def late():\n    from torch import nn", True),
        ("reports.document", "try:\n    import torchvision.models\nexcept ImportError:\n    pass", True),
        ("bench.devices.cuda", "import torch", True),
        ("bench.devices.cuda", "def late():\n    import torch", False),
        (
            "bench.contracts.steps",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
            False,
        ),
        ("bench.contracts.steps", "import torch", True),
        ("bench.contracts.engine", "def late():\n    import torch", True),
        ("bench.selftest.groups", "import torch", True),
        ("bench.child.worker", "import torch", False),
        ("bench.plan.axes", "import torchless", False),
    ],
)
def test_planted_torch_is_seen(module: str, text: str, seen: bool) -> None:
    assert bool(torch_out_of_place(module, ast.parse(text))) is seen
