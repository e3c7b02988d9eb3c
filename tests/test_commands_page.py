"""docs/commands.md is what the command line says of itself; `pytest --update-golden` writes it anew."""

from __future__ import annotations

import pytest

from bench.cli import late_commands
from tests.planted.commands import ROOT
from tests.planted.golden import Golden
from tests.test_gpu_trial import loaded

MAKER = loaded("commands_page")
PAGE = MAKER.page()


def test_the_page_is_current(golden: Golden) -> None:
    golden.check(ROOT / "docs" / "commands.md", PAGE)


@pytest.mark.parametrize("name", MAKER.names())
def test_the_page_has_every_option_of_a_command(name: str) -> None:
    section = PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    options = [option for each in late_commands.load(name).params if not each.hidden for option in each.opts]
    assert [option for option in options if option.startswith("-") and option not in section] == []
