"""What the options `--convbench-...` ask for; `convbench_pytest` declares them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast, get_args

import pytest
from msgspec import Struct

from bench.plan import axes, suite_plan
from bench.plan.suite_plan import rule_of
from models.errors import UserError, unknown

FailOn = Literal["slower", "inconclusive"]
"""Of the words of `convbench compare --fail-on` those that a test suite needs."""


class GateOptions(Struct, frozen=True, kw_only=True):
    """replicates  processes of each case; None: cases are measured in pytest's own process
    out         the run folder to make; None: the next one beside the saved benchmarks
    compare     a number or folder of an earlier run, "" for the last one kept, None for no comparison
    fail_on     which verdicts fail the session
    budget      seconds for the session's benchmarks
    """

    replicates: int | None = None
    out: Path | None = None
    compare: str | None = None
    fail_on: FailOn | None = None
    budget: float | None = None


OPTIONS = pytest.StashKey[GateOptions]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Check them before anything runs."""
    config.stash[OPTIONS] = read(config)


def of(config: pytest.Config) -> GateOptions:
    """Those of this session."""
    return config.stash.get(OPTIONS, GateOptions())


def read(config: pytest.Config) -> GateOptions:
    """Checked. Raises pytest.UsageError, in one sentence."""
    given = {name: config.getoption(f"convbench_{name}", None) for name in GateOptions.__struct_fields__}
    try:
        replicates, _ = rule_of(suite_plan.Asked(replicates=given["replicates"]))
        budget = given["budget"]
        options = GateOptions(
            replicates=replicates,
            out=None if given["out"] is None else Path(given["out"]),
            compare=given["compare"],
            fail_on=_fail_on(given["fail_on"]),
            budget=None if budget is None else axes.seconds("--convbench-budget", budget, 1e8),
        )
    except UserError as error:
        raise pytest.UsageError(str(error).replace("--replicates", "--convbench-replicates")) from error
    _refuse_halves(options)
    return options


def _fail_on(word: str | None) -> FailOn | None:
    accepted = get_args(FailOn)
    if word is not None and word not in accepted:
        raise unknown("--convbench-fail-on", word, accepted)
    return cast("FailOn | None", word)


def _refuse_halves(options: GateOptions) -> None:
    """pytest.UsageError for options that are of no use without another."""
    if options.replicates is None:
        for name in ("out", "compare", "fail_on"):
            if getattr(options, name) is not None:
                raise pytest.UsageError(
                    f"--convbench-{name.replace('_', '-')} is about several processes of each case. Add "
                    "--convbench-replicates 5"
                )
    if options.fail_on is not None and options.compare is None:
        raise pytest.UsageError("--convbench-fail-on compares with nothing. Add --convbench-compare")
