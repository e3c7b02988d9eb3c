"""What every test here shares: GPU tests skip without a GPU, and benchmarks run once unless asked for.

`pytest` runs every benchmark once, at a small size, to see that it works. `pytest bench --benchmark-only`
(or any other option that asks pytest-benchmark for figures) measures at full size.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import convbench_pytest
from bench import cli, devices
from bench.forkserver.client import Server
from bench.pytest_plugin import measuring_mode
from tests.planted import installed_wheel, slurm_cluster
from tests.planted.commands import Answer, Command
from tests.planted.golden import Golden


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    convbench_pytest.activate(pluginmanager)
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files that differ instead of failing (read the difference before you commit)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Switch benchmarks to a single run before pytest-benchmark reads its options; let Ctrl-C work."""
    _settle_worker(config)
    if not measuring_mode.asks_for_figures(config):
        config.option.benchmark_disable = True
    # What runs in a shell's background, or under nohup, inherits signals that are ignored: the tests that
    # interrupt or hang up a process would wait for ever.
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def _settle_worker(config: pytest.Config) -> None:
    """In a parallel worker: OpenMP's threads, of this process and all that it starts, wait asleep. Else each
    would hold a core while it waits for one that another worker holds: ten times the seconds a step. A pytest
    that a test starts is no worker, and how long an example of Hypothesis takes says nothing here."""
    if hasattr(config, "workerinput"):
        import hypothesis  # which whoever only measures need not have

        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        os.environ.pop("PYTEST_XDIST_WORKER", None)
        hypothesis.settings.register_profile(
            "worker", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
        )
        hypothesis.settings.load_profile("worker")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Whether benchmarks are measured."""
    if measuring_mode.is_measured(config):
        return []
    return ["convbench: benchmarks run once, at a small size; --benchmark-only measures them"]


@pytest.fixture(scope="session")
def learning_server() -> Iterator[Server]:
    """A fork server with all that a training run imports: its children then take a fraction of a second."""
    with Server(preload=("timed", "training", "digits")) as server:
        yield server


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel is installed, without what it depends on."""
    return installed_wheel.install(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def planted_year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of a year of nights with known answers (`planted_nights.YEAR`). Read it; change a copy."""
    from tests.planted import archived_nights, planted_nights  # numpy, which who only measures need not load

    return archived_nights.archive(planted_nights.YEAR, tmp_path_factory.mktemp("year"))


@pytest.fixture(scope="session")
def five_years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of 1,825 nights of 40 cases with 5 processes, for tests marked `scale`: minutes to write."""
    from tests.planted import archived_nights
    from tests.planted.planted_nights import PlantedNights

    return archived_nights.archive(PlantedNights(nights=1825), tmp_path_factory.mktemp("years"))


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line in this process, on a machine without a GPU; SystemExit is its only way out."""
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    monkeypatch.setattr("bench.devices.auto", lambda: "cpu")

    def command(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["convbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        captured = capsys.readouterr()
        assert isinstance(leaving.value.code, int)
        return Answer(leaving.value.code, captured.out, captured.err)

    return command


@pytest.fixture(autouse=True)
def subnormal_numbers() -> Iterator[None]:
    """Kept after each test: a measurement in this process flushes them to zero, as a child may, for good."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)  # torch's own default; it cannot be asked


@pytest.fixture(scope="session")
def golden(pytestconfig: pytest.Config) -> Golden:
    """What compares a text with the golden file that keeps it."""
    return Golden(update=pytestconfig.getoption("--update-golden"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests marked `scale`, unless `-m` names them; skip those of a device that is not here,
    and those of Slurm where it is not. A test that needs a device runs alone.

    Whether a device is here is asked without torch being imported.
    """
    if "scale" not in config.option.markexpr:
        large = [item for item in items if item.get_closest_marker("scale")]
        items[:] = [item for item in items if item not in large]
        config.hook.pytest_deselected(items=large)
    _skip(items, "slurm", slurm_cluster.why_absent)
    for device in devices.devices().values():
        _skip(items, device.name, device.why_absent)
        for item in items:
            if item.get_closest_marker(device.name):
                item.add_marker("alone")


def _skip(items: list[pytest.Item], mark: str, why_absent: Callable[[], str | None]) -> None:
    """Those with this mark, where what they need is not here."""
    marked = [item for item in items if item.get_closest_marker(mark)]
    reason = why_absent() if marked else None
    if reason is not None:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))
