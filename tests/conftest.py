"""What the tests share: the command line in this process."""

from __future__ import annotations

import sys

import pytest

from bench import cli
from tests.commands import Answer, Command


@pytest.fixture
def convbench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command on a machine without a GPU; SystemExit is its only way out."""
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    monkeypatch.setattr("bench.plan.gpu_present", lambda: False)

    def command(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["convbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        captured = capsys.readouterr()
        assert isinstance(leaving.value.code, int)
        return Answer(leaving.value.code, captured.out, captured.err)

    return command
