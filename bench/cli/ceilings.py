"""convbench ceilings: the peak compute and memory bandwidth of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from bench import devices
from bench.cli import options, output, run_cases, section_names
from bench.cli.axis_options import Axes, Given, axis_options
from bench.host import cpu_cores
from bench.plan import axes, ceiling_cases, expand, feasibility, suite_plan
from bench.plan.axes import Value
from bench.schema import case
from bench.schema.case import Case, MeasurementProtocol
from reports.pages import plan_report


# long: its parameters are the command's options.
@axis_options
def ceilings(
    *,
    given: Annotated[Given, Axes("device", "precision", "threads")],
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    replicates: Annotated[str, typer.Option(help="Processes per dtype; 3 or more for an interval.")] = "1",
    out: options.Out = None,
    time_limit: options.TimeLimit = None,
    budget: options.Budget = None,
    resume: options.Resume = False,
    dry_run: options.DryRun = False,
    plain_intervals: options.PlainIntervals = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Measure this machine's peak compute and memory bandwidth.

    Matrix products, VGG's convolutions and a copy, in every precision that the
    device has, compared with its datasheet.
    """
    output.check_format(format_)
    section_names.check("ceilings", section, full=full)
    run_options = options.run_options_of(gpu, lock_clocks)
    count = axes.whole_number("--replicates", replicates, 1, 1000)
    planned = expand.interleave_replicates(_cases(given), count)
    protocol = suite_plan.protocol_of(MeasurementProtocol(), None, time_limit)
    seconds = suite_plan.seconds_of(budget)
    if dry_run:
        output.show(plan_report.dry_run(planned, protocol, format_))
        return 0
    auto = "auto" in given.get("device", ("auto",))
    with output.folder(out, resume=resume) as folder:
        return run_cases.run_and_report(
            planned,
            protocol,
            folder,
            resume,
            seconds,
            format_,
            auto,
            run_options,
            plain_intervals=plain_intervals,
            section=section,
            full=full,
        )


def _cases(given: Mapping[str, tuple[Value, ...]]) -> list[Case]:
    """Each dtype once on each device; UserError where torch is not needed to know that none can run."""
    wanted = given.get("precision", tuple(case.ARITHMETIC))
    found = ceiling_cases.needed(
        Case(
            model=ceiling_cases.MODEL,
            device=devices.auto() if device == "auto" else str(device),
            precision=each,
            threads=int(threads),
        )
        for device in given.get("device", ("auto",))
        for threads in given.get("threads", (cpu_cores.usable_cores(),))
        for each in case.ARITHMETIC
        if each in wanted
    )
    feasibility.refuse_impossible(found)
    # what was not asked for need not be listed as impossible
    return (
        found
        if "precision" in given
        else [case for case in found if feasibility.why_impossible(case) is None]
    )
