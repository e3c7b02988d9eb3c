"""convbench for programs: what networks cost, runs and their figures, comparisons, and modules timed.

    import convbench

    convbench.cost("vgg16", image=96).flops_forward          # FLOPs of one image, without torch
    run = convbench.run(model="lenet5", batch=[1, 8], out="runs/first")
    rows = convbench.load("runs/first").rows()               # dicts: pandas.DataFrame(rows)
    convbench.compare("runs/first", "runs/second")
    convbench.trend("vgg*", label="nightly").series          # steps and drifts over the runs of an archive
    convbench.measure(module, images)                        # a live nn.Module, in this process

The names in `__all__` are public and stable; everything else here is private, and the packages `bench`,
`models` and `reports` are internals and may change. Importing convbench does not import torch. Bad input
raises `UserError` with the sentence that the command line prints.
"""

# long: what is public stands in one file, with the words that a program's author needs.

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

_HERE = Path(__file__).resolve().parent

try:
    from bench.host.installed import foreign_packages as _foreign_packages
except ImportError as _error:
    _path = _error.path or "another place"
    raise ImportError(f"the package bench that Python finds is not convbench's: {_path}") from _error
for _sentence in _foreign_packages(_HERE):
    raise ImportError(_sentence)

# Whose these are is known only now.
from models.errors import UserError  # noqa: E402
from reports.pages.module_report import Measured, PhaseTime  # noqa: E402

if TYPE_CHECKING:
    import torch

    from bench.schema.case import Precision
    from bench.schema.record import Status
    from models.closed_form import Cost
    from reports.compare.comparison_rows import ComparisonRow
    from reports.over_time.trended import Trended

__all__ = ["Measured", "PhaseTime", "Run", "UserError"]
__all__ += ["compare", "cost", "load", "measure", "merge", "run", "trend"]

_Names = str | Iterable[str] | None
_Numbers = int | str | Iterable[int] | None
_Folder = str | Path


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run folder, or several with their processes pooled.

    folders    where the records are
    statuses   after `run`: how many processes ended as `ok`, `oom`, `timeout`, `crashed`, `skipped`,
               `invalid` or `diverged`; empty after `load`
    remaining  after `run`: processes that the budget left unmeasured; `resume=True` measures them
    wide       after `run`: cases whose interval is wider than `until`
    notes      after `run` on all GPUs: why some could not be measured; after `merge`: unfinished and damaged
               lines that were left out, and shards that are missing
    """

    folders: tuple[Path, ...]
    statuses: Mapping[Status, int] = field(default_factory=dict)
    remaining: int = 0
    wide: int = 0
    notes: tuple[str, ...] = ()

    def rows(self, *, plain_intervals: bool = False) -> list[dict[str, str | int | float | None]]:
        """One plain dict per figure, all with the same keys: the rows of `report --format json`.

        `unit` names the unit: s, bytes, J, FLOP, count. None means not applicable or not measured. A column
        holds either whole numbers or floats. `pandas.DataFrame(rows)` and `polars.DataFrame(rows)` accept the
        rows unchanged: rows that are the first to fill a column come first, because polars infers types from
        the first hundred rows.
        Raises UserError for a folder without readable records.
        """
        from reports.pages import run_report
        from reports.tables.alike_rows import alike

        return alike(run_report.build(self.folders, plain_intervals=plain_intervals).rows)

    def report(self, format: str = "md", *, plain_intervals: bool = False) -> str:  # noqa: A002
        """The report as text, in one of the formats of `convbench report`: md, html, csv, json, terminal.

        With `plain_intervals` each interval uses only the processes of its case, here as in `rows`.
        Raises UserError for another format, or for a folder without readable records.
        """
        from reports import formats
        from reports.pages import run_report

        return formats.render(format, run_report.build(self.folders, plain_intervals=plain_intervals))


def cost(
    model: str,
    *,
    image: int | None = None,
    input: str | None = None,  # noqa: A002
    channels: int | None = None,
    classes: int | None = None,
    batch: int = 1,
) -> Cost:
    """Parameters, FLOPs and activations of a network, layer by layer, for one batch of square images.

    `model` is a built-in network or a variant (`vgg13+kernel=5x5`), `torchvision:NAME` or `FILE.py:FUNCTION`.
    `image` is the side in pixels, `input` any other shape (`3x64x80`); None is the network's default. FLOPs =
    2 x MACs. Networks that are not built in are counted in a separate process, in seconds. Raises UserError
    for a network that cannot be counted.
    """
    from bench.plan import axes
    from bench.runner import network_costs

    given = {"image": image, "input": input, "channels": channels, "classes": classes, "batch": batch}
    sizes = {axis: axes.read_one(axis, value) for axis, value in given.items() if value is not None}
    name = str(axes.read_one("model", model))
    return network_costs.closed_form(name, sizes) or network_costs.entries([name], sizes)[0][0].cost


# long: its parameters are the axes.
def run(
    *,
    out: _Folder,
    suite: str | None = None,
    model: _Names = None,
    workload: _Names = None,
    device: _Names = None,
    precision: _Names = None,
    engine: _Names = None,
    layout: _Names = None,
    tuning: _Names = None,
    batch: _Numbers = None,
    image: _Numbers = None,
    input: _Names = None,  # noqa: A002
    channels: _Numbers = None,
    classes: _Numbers = None,
    threads: _Numbers = None,
    seed: _Numbers = None,
    gpu: int | str | None = None,
    together: bool = False,
    shard: str | None = None,
    node_name: str | None = None,
    lock_clocks_mhz: int | None = None,
    replicates: int | None = None,
    until: float | str | None = None,
    target_ci: float | None = None,
    time_limit_seconds: float | None = None,
    flush_l2: bool | None = None,
    step_digest: bool | None = None,
    budget_seconds: float | None = None,
    ceilings: bool | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Measure a suite (default: quick) into the folder `out`, as `convbench run` does.

    Every axis (`model` to `seed`) takes one value or several; `convbench list axes` explains them. `gpu` is
    the index of nvidia-smi, a UUID, or "all": each GPU of this machine, in a folder of its own below `out`,
    one after the other or `together`. `shard` ("0/3") is a part of all processes, and `node_name` names this
    machine in the records. `lock_clocks_mhz` locks the SM clock. `target_ci` and `until` are shares (0.01 is
    1%). A case gets processes until the half-width of its interval is at most `until`, or exactly
    `replicates`. With `flush_l2` every timed step starts with a cold L2; with `step_digest` a deterministic
    step is made of each network (docs/fleet.md). With `resume` the plan in `out` continues. Records are on
    disk before the next case. Terminals show a progress bar unless `progress` is False. A case that fails is
    counted in `statuses` and raises nothing.
    Raises UserError, before anything is written, for input that the command line refuses.
    """
    from bench.cli import from_python
    from bench.plan import axes, suite_plan

    named = {"model": model, "workload": workload, "device": device, "precision": precision, "engine": engine}
    named |= {"layout": layout, "tuning": tuning, "input": input}
    numbers = {"batch": batch, "image": image, "channels": channels, "classes": classes, "threads": threads}
    asked = suite_plan.Asked(
        suite=suite,
        given=axes.read_given({**named, **numbers, "seed": seed}),
        replicates=replicates,
        until=until,
        target_ci=target_ci,
        time_limit=time_limit_seconds,
        flush_l2=flush_l2,
        step_digest=step_digest,
        ceilings=ceilings,
        shard=shard,
        node_name=node_name,
    )
    how = from_python.How(gpu, lock_clocks_mhz, resume, together, suite_plan.seconds_of(budget_seconds))
    done = from_python.run(asked, Path(out), how, is_shown=progress)
    counts = {"remaining": done.result.remaining, "wide": len(done.result.wide)}
    return Run(folders=(Path(out),), statuses=done.result.statuses, notes=tuple(done.refused), **counts)


def merge(folder: _Folder, *more: _Folder, out: _Folder, resume: bool = False) -> Run:
    """Merge runs of several machines or shards into the folder `out`, each record once.

    As `convbench merge`: run folders, folders of runs and fleets; with `resume` they are added to what `out`
    holds. Damaged lines of one of several runs are left out, and `notes` names them.

    Raises UserError, and leaves `out` as it was, for what is no run, two different records of one process,
    shards of two plans, and times with warm caches beside times with a cold L2.
    """
    from bench.fleet import merging

    done = merging.merge(list(map(Path, (folder, *more))), Path(out), resume=resume)
    missing = (f"shard {each} is missing" for each in done.missing)
    return Run(folders=(Path(out),), notes=(*done.notes, *missing))


def load(folder: _Folder, *more: _Folder) -> Run:
    """Load a run; several folders are pooled, and a folder of runs or a fleet stands for all of its runs.
    Raises UserError for a folder without records."""
    from reports.summary.record_stream import parts_of

    folders = tuple(map(Path, (folder, *more)))
    parts_of(folders)
    return Run(folders=folders)


def compare(
    a: _Folder | Run | Sequence[_Folder],
    b: _Folder | Run | Sequence[_Folder],
    *,
    margin: float = 0.02,
    plain_intervals: bool = False,
) -> tuple[ComparisonRow, ...]:
    """Compare run `b` with run `a`: one row per metric and case, with its verdict.

    `verdict` is faster, slower, equivalent or inconclusive, or None if a row could not be compared, with a
    `reason`. `ratio` is b / a with its 99% interval from `low` to `high`; `base` and `new` are medians in
    `unit`. Changes within `margin` count as equivalent. With several folders a side the unit is the run
    instead of the process. `what_decides` of an inconclusive row says about how many more processes each side
    needs. With `plain_intervals` each variance uses only the processes of its side.
    Raises UserError for a side without folders, a folder without records, the same folder on both sides, or a
    bad margin.
    """
    from bench.plan import axes
    from reports.compare import compare_report

    share = axes.positive_number("margin", margin, 0.5)
    found = compare_report.build(_folders(a), _folders(b), margin=share, plain_intervals=plain_intervals)
    return found.rows


def trend(
    *cases: str, archive: _Folder | None = None, label: str | None = None, since: str | None = None
) -> Trended:
    """What changed over the runs of an archive, as `convbench trend` finds it.

    `cases` are networks, cases or wildcards ("vgg*"); none means all. `archive` is by default that of the
    commands; `label` keeps the runs with it, `since` ("90d" or "2026-03-01") what was measured and told since
    then. Each of `series` has its runs and points, what was found in them (`changes`: steps, boundaries,
    drifts, outliers, levels) and `told`: changes by name, with their shift, what differs across them, and who
    acknowledged them. Times are natural logs of seconds: a shift of 0.03 is about 3% slower.
    Raises UserError without an archive or a run, and for a case or a label that it lacks.
    """
    from bench.archive.archive_folder import default_archive
    from bench.archive.asked_series import date_of
    from reports.over_time import found_trend

    folder = default_archive() if archive is None else Path(archive)
    return found_trend.found_trend(folder, cases, label=label, since=date_of(since))


# long: its parameters, and what each of them means.
def measure(
    module: torch.nn.Module,
    inputs: Any,
    *,
    workload: Literal["inference", "training"] = "inference",
    loss: Callable[..., Any] | None = None,
    targets: Any = None,
    precision: Precision = "fp32",
    engine: str = "eager",
    target_ci: float = 0.01,
    sampling_seconds: float = 10.0,
    progress: bool = True,
) -> Measured:
    """Time a live module on its device, in this process, and restore its state.

    inputs     a tensor, a tuple of arguments, or a dict of keyword arguments; their device is the module's
    workload   inference: forward in eval mode without gradients; training: forward with the loss, backward,
               and SGD with momentum in train mode
    loss       a function of the outputs (and `targets`, if given) that returns one number. Default:
               cross-entropy of outputs of shape (batch, classes, ...) with `targets` or random labels; an
               output of one number is the loss itself
    precision  fp32: the module unchanged, with the process's flags (`effective` of the result has them: by
               default torch lets convolutions on a GPU use TF32). amp-bf16 and amp-fp16 add autocast (and
               loss scaling). To measure other weights, cast the module first
    engine     eager, compile, compile-reduce-overhead, compile-max-autotune, or cudagraph on a GPU
    target_ci  sampling ends when the half-width of the median's 95% interval is this share of it, or after
               `sampling_seconds` per pass (at least 20 samples)

    Weights, buffers, gradients, modes, torch's random states, grad mode and default dtype are restored.
    Terminals and notebooks show progress unless `progress` is False.
    Raises UserError if the module cannot be called with these inputs, is on several devices or on meta, is
    on another device than its inputs, or returns no tensor, and for a loss or targets without training.
    """
    from bench.cli import from_python
    from bench.plan import axes, suite_plan
    from bench.schema.case import MeasurementProtocol

    sampling = axes.positive_number("sampling_seconds", sampling_seconds, 1e7)
    protocol = suite_plan.protocol_of(MeasurementProtocol(sampling_seconds=sampling), target_ci, None)
    from bench.child.live_module import live_module, time_live

    live = live_module(module, inputs, workload, precision, engine, loss, targets)
    return from_python.measured(type(module).__name__, live, time_live, protocol, is_shown=progress)


def _folders(side: _Folder | Run | Sequence[_Folder]) -> tuple[Path, ...]:
    if isinstance(side, Run):
        return side.folders
    return (Path(side),) if isinstance(side, str | Path) else tuple(map(Path, side))


if __name__ == "__main__":
    from bench.cli import main

    main()
