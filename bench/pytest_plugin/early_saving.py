"""pytest-benchmark's files after every benchmark, and not at the end alone.

A session that is killed keeps what it has measured, and one that is terminated ends as after Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import pytest

from bench.pytest_plugin import failed_benchmarks, measuring_mode
from bench.store import write_whole
from models.errors import UserError

TERMINATED = 128 + signal.SIGTERM
"""The exit code of a session that was terminated."""


@dataclass
class EarlySaving:
    """Of one session.

    saved    benchmarks that the files hold, those that failed among them
    numbered the file in pytest-benchmark's storage that the end of the session will write anew
    """

    session: Any
    config: pytest.Config
    saved: int = 0
    numbered: Path | None = None
    _facts: dict[str, Any] | None = None

    def save(self) -> None:
        """Write what has been measured, and what has failed, if that has become more.

        Where nothing has a figure pytest-benchmark writes no file: that of `--benchmark-json` then stays as
        it is written here, and its storage has none, for the next session would compare with it.
        """
        done = [each for each in self.session.benchmarks if each and not each.has_error]
        found = len(done) + len(failed_benchmarks.kept_by(self.config))
        if found == self.saved:
            return
        self.saved = found
        if isinstance(self.session.json, str | Path):
            self._write(Path(self.session.json), include_data=True)
        name = self.session.save or self.session.autosave
        if done and name and hasattr(self.session.storage, "path"):
            if self.numbered is None:
                self.numbered = self.session.storage.get(f"{self._next_number():04}_{name}.json")
            self._write(self.numbered, include_data=self.session.save_data)

    def make_room(self) -> None:
        """Remove the numbered file: pytest-benchmark writes it now, under the same name."""
        if self.numbered is not None:
            self.numbered.unlink(missing_ok=True)

    def _next_number(self) -> int:
        """As pytest-benchmark counts."""
        numbers = [path.name[:4] for path in self.session.storage.query() if path.name[4:5] == "_"]
        return max((int(each) for each in numbers if each.isdecimal()), default=0) + 1

    def _write(self, path: Path, *, include_data: bool) -> None:
        if self._facts is None:
            commit = self.config.hook.pytest_benchmark_generate_commit_info(config=self.config)
            self.config.hook.pytest_benchmark_update_commit_info(config=self.config, commit_info=commit)
            self._facts = {"machine_info": self.session.get_machine_info(), "commit_info": commit}
        told = {"config": self.config, "benchmarks": list(self.session.benchmarks)}
        hook = self.config.hook
        found = hook.pytest_benchmark_generate_json(**told, include_data=include_data, **self._facts)
        hook.pytest_benchmark_update_json(**told, output_json=found)
        with contextlib.suppress(UserError):  # the end of the session says why
            write_whole(path, json.dumps(found, indent=4, default=str).encode())


SAVING = pytest.StashKey[EarlySaving]()


def begin(config: pytest.Config) -> None:
    """Save from now on, where figures are measured; once per session."""
    if SAVING in config.stash or not measuring_mode.is_measured(config):
        return
    config.stash[SAVING] = EarlySaving(config._benchmarksession, config)  # type: ignore[attr-defined]
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)
        config.add_cleanup(_as_before)


def _as_before() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    pytest.exit("terminated; finished benchmarks are saved", returncode=TERMINATED)


def pytest_collection_finish(session: pytest.Session) -> None:
    begin(session.config)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Save what the test has measured."""
    try:
        return (yield)
    finally:
        saving = item.config.stash.get(SAVING, None)
        if saving is not None:
            saving.save()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Ahead of pytest-benchmark's own saving."""
    saving = session.config.stash.get(SAVING, None)
    if saving is not None:
        saving.make_room()
    return (yield)
