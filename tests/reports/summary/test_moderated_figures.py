"""Intervals that borrow from a run's other cases, from records to the report: every number made again."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import astuple
from scipy import stats as oracle

from bench.schema.case import Case
from bench.schema.ceiling_product import Copy, MatrixProduct, Product
from bench.schema.phases import Phase
from bench.schema.record import Measurement, Record
from bench.stats.moderation import case_scatter, fit, moderate, process_scatter
from bench.stats.published_prior import PUBLISHED
from reports import formats
from reports.pages.run_report import build
from reports.summary.condensing import condensed
from reports.summary.figures import Figure
from reports.summary.pooling import summarise
from reports.summary.process import UNKNOWN_VARIANCE, numbers_of
from tests.planted import planted_records
from tests.planted.shown_cells import rows_of

MODELS = ("lenet5", "alexnet", "vgg11", "vgg13", "vgg16", "vgg19")
RNG = np.random.default_rng(15)


def case_of(model: str, **axes: object) -> Case:
    return structs.replace(Case(model=model, batch=8, threads=2), **axes)


def timed(
    case: Case,
    medians: Sequence[float],
    within: float = 0.02,
    samples: int = 9,
    phase: Phase = "forward",
    metric: str = "wall_time",
    unit: str = "s",
) -> list[Record]:
    """A process for each median: samples at normal scores, so median and scatter are exact."""
    scores = oracle.norm.ppf((np.arange(samples) + 0.5) / samples)
    scores = within * scores / np.std(scores, ddof=1) if samples > 1 else scores
    return [
        planted_records.record(
            structs.replace(case, replicate=number),
            Measurement(phase=phase, metric=metric, unit=unit, samples=(median * np.exp(scores)).tolist()),
        )
        for number, median in enumerate(medians, start=1)
    ]


def run_of(many: int = 6, processes: int = 3) -> list[Record]:
    records: list[Record] = []
    for number, model in enumerate(MODELS[:many], start=1):
        medians = 0.01 * number * np.exp(0.01 * number * RNG.standard_normal(processes))
        records += timed(case_of(model), medians.tolist(), within=0.01 * number)
    return records


def figures_of(folder: Path, records: Sequence[Record], **how: bool) -> dict[tuple[str, str, str], Figure]:
    """By model, phase and metric."""
    found = summarise([planted_records.write(folder, records)], **how).figures
    return {(figure.case.model, figure.phase, figure.metric): figure for figure in found}


def time_of(folder: Path, records: Sequence[Record], model: str = "lenet5") -> Figure:
    return figures_of(folder, records)[model, "forward", "wall_time"]


def shown(folder: Path, records: Sequence[Record], *, plain_intervals: bool = False) -> dict[str, str]:
    """By model what stands in the table of inference."""
    document = build([planted_records.write(folder, records)], plain_intervals=plain_intervals)
    [table] = [table for table in document.tables if table.title.startswith("Inference on")]
    return {str(row["model"]): str(row["time (ms)"]) for row in rows_of(table)}


def half_width(figure: Figure) -> float:
    assert figure.interval is not None
    return math.log(figure.interval.high / figure.median)


def test_a_reader_can_make_every_interval_again_from_the_json_alone(tmp_path: Path) -> None:
    records = run_of() + timed(case_of("vgg11-bn"), [0.05]) + [planted_records.record(case_of("vgg13-bn"))]
    records += [
        planted_records.record(
            case_of("vgg13-bn", replicate=n), planted_records.fact("model", "weights", 5.0 + n)
        )
        for n in (2, 3)
    ]
    folder = planted_records.write(tmp_path, records)
    rows = json.loads(formats.render("json", build([folder])))["rows"]
    methods = []
    for row in rows:
        if row["interval"] != "across-processes":
            continue
        methods.append(row["method"])
        n = row["processes"]
        variance = 0.0 if row["own_sd"] is None else row["own_sd"] ** 2
        freedom = n - 1
        if row["method"] != "t":
            freedom += row["prior_freedom"]
            pooled = (row["prior_freedom"] * row["prior_sd"] ** 2 + (n - 1) * variance) / freedom
            variance = max(row["floor_sd"] ** 2, pooled)
        assert row["freedom"] == pytest.approx(freedom)
        half = oracle.t.ppf(0.975, freedom) * math.sqrt(variance / n)
        assert row["low"] == pytest.approx(row["median"] * math.exp(-half))
        assert row["high"] == pytest.approx(row["median"] * math.exp(half))
    assert sorted(set(methods)) == ["borrowed", "moderated", "t"]
    assert methods.count("moderated") == len(MODELS)


def test_one_prior_comes_from_the_whole_steps_of_the_run_and_from_nothing_else(tmp_path: Path) -> None:
    """Phases, disturbed windows, failed processes, other metrics and cases of one process are not in it."""
    records = run_of(5)
    steps = case_of("vgg16-bn", workload="training")
    for each in timed(steps, [0.2, 0.21, 0.22], phase="step"):
        spoiled = Measurement(phase="step", metric="wall_time", unit="s", samples=[9.0, 8.0], disturbed=True)
        parts = [
            Measurement(phase=phase, metric="wall_time", unit="s", samples=[0.1 * each.case.replicate] * 3)
            for phase in ("forward", "backward", "optimizer")
        ]
        host = Measurement(phase="step", metric="host_time", unit="s", samples=[0.1, 0.3, 0.9])
        records.append(structs.replace(each, measurements=[*each.measurements, *parts, spoiled, host]))
    records += timed(case_of("vgg11-bn"), [0.05])
    crashed = structs.replace(timed(case_of("vgg13-bn"), [5.0])[0], status="crashed", reason="killed")
    figures = figures_of(tmp_path, [*records, crashed])
    of_cases: dict[str, list[list[float]]] = {}
    for record in records:
        samples = record.measurements[0].samples
        of_cases.setdefault(record.case.model, []).append(list(samples))
    scatters = {
        model: case_scatter([scatter for each in processes if (scatter := process_scatter(each))])
        for model, processes in of_cases.items()
    }
    prior = fit(list(scatters.values()))
    assert prior.cases == 6
    for model in ("lenet5", "vgg16-bn"):
        phase = "step" if model == "vgg16-bn" else "forward"
        interval = figures[model, phase, "wall_time"].interval
        assert interval is not None
        assert interval.parts is not None
        assert astuple(interval.parts) == pytest.approx(astuple(moderate(scatters[model], prior)))
    # a phase has the prior at its own scatter within
    backward = figures["vgg16-bn", "backward", "wall_time"].interval
    own = case_scatter([scatter for n in (1, 2, 3) if (scatter := process_scatter([0.1 * n] * 3))])
    assert backward is not None
    assert backward.parts is not None
    assert astuple(backward.parts) == pytest.approx(astuple(moderate(own, prior)))


def test_devices_and_metrics_have_priors_of_their_own(tmp_path: Path) -> None:
    records = run_of(4)
    for model in MODELS[:3]:
        on_gpu = case_of(model, device="cuda")
        for metric in ("device_time", "wall_time"):
            records += [
                structs.replace(
                    each,
                    environment=planted_records.GPU_MACHINE,
                    effective=planted_records.READ_BACK["cuda"],
                )
                for each in timed(on_gpu, [0.001, 0.0011], metric=metric)
            ]
    merged: dict[Case, Record] = {}
    for record in records:
        known = merged.get(record.case)
        measurements = [*(known.measurements if known else ()), *record.measurements]
        merged[record.case] = structs.replace(record, measurements=measurements)
    found = summarise([planted_records.write(tmp_path, merged.values())]).figures
    cases = {
        (figure.case.device, figure.metric): figure.interval.parts.cases
        for figure in found
        if figure.interval and figure.interval.parts
    }
    assert cases == {("cpu", "wall_time"): 4, ("cuda", "device_time"): 3, ("cuda", "wall_time"): 3}


def test_of_a_ceiling_one_product_is_a_case_and_all_of_them_have_the_prior(tmp_path: Path) -> None:
    ceiling = Case(model="ceilings", workload="ceiling", threads=2)
    products: dict[Product, float] = {MatrixProduct(64, 64, 64): 0.01, Copy(2**30): 0.3}
    records = run_of(3)
    for number, wobble in enumerate((0.99, 1.0, 1.02), start=1):
        measurements = [
            Measurement(
                phase="product",
                metric="wall_time",
                unit="s",
                product=product,
                samples=[seconds * wobble * each for each in (0.98, 1.0, 1.02)],
            )
            for product, seconds in products.items()
        ]
        records.append(planted_records.record(structs.replace(ceiling, replicate=number), *measurements))
    found = summarise([planted_records.write(tmp_path, records)]).figures
    parts = [f.interval.parts for f in found if f.product and f.interval and f.interval.parts]
    assert [each.cases for each in parts] == [4, 4]


def test_counts_sizes_and_what_training_runs_take_keep_their_rule(tmp_path: Path) -> None:
    case = case_of("vgg11")
    records = run_of(5)
    records += [
        planted_records.record(
            structs.replace(case, model="vgg11-bn", replicate=number),
            planted_records.fact("model", "weights", 100.0),
            planted_records.fact("forward", "peak_resident", 100.0 + number),
            planted_records.fact("model", "compile_cold", 20.0 + number, "s"),
        )
        for number in (1, 2)
    ]
    figures = figures_of(tmp_path, records)
    weights = figures["vgg11-bn", "model", "weights"].interval
    assert weights is not None
    assert (weights.low, weights.high, weights.method) == (100.0, 100.0, "t")
    for key in (("forward", "peak_resident"), ("model", "compile_cold")):
        interval = figures["vgg11-bn", *key].interval
        assert interval is not None
        assert (interval.method, interval.parts) == ("t", None)


# bad input


def test_one_process_borrows_where_four_other_cases_have_several(tmp_path: Path) -> None:
    records = run_of(4) + timed(case_of("vgg19"), [0.05])
    figure = time_of(tmp_path / "four", records, "vgg19")
    assert figure.interval is not None
    assert (figure.interval.kind, figure.interval.method) == ("across-processes", "borrowed")
    parts = figure.interval.parts
    assert parts is not None
    assert (parts.own_sd, parts.freedom) == (None, parts.prior_freedom)
    expected = oracle.t.ppf(0.975, parts.prior_freedom) * max(parts.prior_sd, parts.floor_sd)
    assert half_width(figure) == pytest.approx(expected)
    text = shown(tmp_path / "four", records)["vgg19"]
    assert text.endswith("§")
    page = formats.render("md", build([tmp_path / "four"]))
    assert "§ one process: the interval is what the run's other cases predict" in page


def test_one_process_beside_three_cases_has_its_own_interval_alone(tmp_path: Path) -> None:
    records = run_of(3) + timed(case_of("vgg19"), [0.05])
    figure = time_of(tmp_path, records, "vgg19")
    assert figure.interval is not None
    assert (figure.interval.kind, figure.interval.method) == ("within-process", None)
    assert shown(tmp_path, records)["vgg19"].endswith("†")


def test_one_case_alone_has_the_published_prior_and_the_report_says_so(tmp_path: Path) -> None:
    records = timed(case_of("vgg16"), [0.1, 0.102])
    figure = time_of(tmp_path, records, "vgg16")
    assert figure.interval is not None
    assert figure.interval.parts is not None
    assert figure.interval.parts.cases == 1
    assert 1 < figure.interval.parts.prior_freedom < 2
    text = formats.render("md", build([tmp_path]))
    assert "the published prior (this run has no other case)" in text


def test_identical_samples_in_identical_processes_have_a_width_all_the_same(tmp_path: Path) -> None:
    figure = time_of(tmp_path, timed(case_of("lenet5"), [0.1, 0.1, 0.1], within=0.0))
    assert figure.median == 0.1
    assert 0 < half_width(figure) < 0.05
    assert figure.scatter is not None
    assert (figure.scatter.variance, figure.scatter.within, figure.scatter.floor) == (0.0, 0.0, 0.0)


def test_processes_that_agree_are_no_surer_than_their_own_samples(tmp_path: Path) -> None:
    """Zero variance between, 30% within: the median of so few samples cannot be known as well as that."""
    figure = time_of(tmp_path, timed(case_of("lenet5"), [0.1, 0.1], within=0.3, samples=3))
    assert figure.interval is not None
    assert figure.interval.parts is not None
    floor = math.sqrt(math.pi / 2 * 0.3**2 / 3)
    assert figure.interval.parts.floor_sd == pytest.approx(floor)
    assert half_width(figure) == pytest.approx(
        oracle.t.ppf(0.975, figure.interval.parts.freedom) * floor / math.sqrt(2)
    )


def test_a_single_sample_has_the_scatter_of_the_published_prior_and_a_label(tmp_path: Path) -> None:
    figure = time_of(tmp_path, timed(case_of("lenet5"), [0.1, 0.103], samples=1))
    assert figure.scatter is not None
    assert figure.scatter.within == pytest.approx(math.exp(PUBLISHED.centre))
    assert figure.scatter.floor == pytest.approx(math.pi / 2 * math.exp(PUBLISHED.centre))
    assert "one-sample" in figure.tags
    assert "single sample" in formats.render("md", build([tmp_path]))


def test_an_energy_is_a_mean_and_has_no_floor_of_a_single_sample(tmp_path: Path) -> None:
    """Processes that agree within 0.1% are known better than 2.5% each, which a single sample would be."""
    records = [
        each
        for model in MODELS
        for each in timed(case_of(model), [5.0, 5.005, 4.995, 5.002], samples=1, metric="energy", unit="J")
    ]
    figure = figures_of(tmp_path, records)["lenet5", "forward", "energy"]
    assert figure.interval is not None
    assert figure.interval.parts is not None
    assert figure.interval.parts.floor_sd == 0
    assert half_width(figure) < 0.01


def test_cases_of_one_machine_lend_to_each_other_whatever_the_commit(tmp_path: Path) -> None:
    """A run that went on after a commit, or in a new container of the node, with those cases alone that were
    wide."""
    records = run_of(6, processes=2)
    again = structs.replace(planted_records.MACHINE, host="new", node="lab", commit="def5678")
    later = [
        structs.replace(record, environment=again)
        for record in timed(case_of("lenet5"), [0.01] * 3)
        if record.case.replicate == 3
    ]
    figures = figures_of(tmp_path, records + later)
    for figure in figures.values():
        assert figure.interval is not None
        assert figure.interval.parts is not None
        assert figure.interval.parts.cases == 6
    assert figures["lenet5", "forward", "wall_time"].machine == ("A", "B")


def test_a_case_that_changes_level_in_the_middle_of_the_run_is_restless(tmp_path: Path) -> None:
    """Early and late processes 30% apart: labelled, with what was seen and what was expected."""
    records = run_of(5, processes=4) + timed(case_of("vgg19"), [0.1, 0.1, 0.13, 0.13], within=0.01)
    document = build([planted_records.write(tmp_path, records)])
    [table] = [table for table in document.tables if table.title == "Inference on cpu"]
    rows = {str(row["model"]): row for row in rows_of(table)}
    assert rows["vgg19"]["remarks"] == "restless"
    assert {rows[model].get("remarks") for model in MODELS[:5]} == {None}
    [warnings] = [table for table in document.tables if table.title == "Warnings"]
    [row] = rows_of(warnings)
    assert (row["warning"], row["cases"], row["models"]) == ("restless", 1, "vgg19")
    assert "4 processes" in warnings.shared
    own = np.std(np.log([0.1, 0.1, 0.13, 0.13]), ddof=1)
    assert any(f"{own:.1%} between processes" in note for note in warnings.notes)
    [figure] = [f for f in summarise([tmp_path]).figures if f.case.model == "vgg19"]
    assert figure.interval is not None
    assert figure.interval.method == "moderated"
    assert half_width(figure) < oracle.t.ppf(0.975, 3) * own / 2, "less than its own processes alone say"


def test_plain_intervals_know_no_restless_case_and_are_those_of_t(tmp_path: Path) -> None:
    records = run_of(5) + timed(case_of("vgg19"), [0.1, 0.101, 0.14])
    folder = planted_records.write(tmp_path, records)
    summary = summarise([folder], plain_intervals=True)
    assert {warned.label for warned in summary.warnings} == set()
    for figure in summary.figures:
        logs = np.log(figure.medians)
        low, high = np.exp(oracle.t.interval(0.95, 2, logs.mean(), oracle.sem(logs)))
        assert figure.interval is not None
        assert (figure.interval.low, figure.interval.high) == pytest.approx((low, high))
        assert figure.interval.method == "t"
    text = formats.render("md", build([folder], plain_intervals=True))
    assert "moderated" not in text


@pytest.mark.parametrize("processes", [4, 5])
def test_of_fewer_than_five_processes_a_bimodal_case_says_that_a_kind_may_be_missing(
    tmp_path: Path, processes: int
) -> None:
    records = [
        planted_records.record(
            case_of("lenet5", replicate=number),
            Measurement(
                phase="forward",
                metric="wall_time",
                unit="s",
                samples=[0.1 + 1e-5 * n + (0.02 if n % 3 == 0 else 0) for n in range(30)],
            ),
        )
        for number in range(1, processes + 1)
    ]
    text = formats.render("md", build([planted_records.write(tmp_path, records)]))
    assert "bimodal" in text
    assert ("two kinds of processes may not both have been seen" in text) == (processes < 5)


@pytest.mark.parametrize("stepped", [0.0, -0.004])
def test_a_clock_that_stepped_inside_a_process_keeps_its_case_out_of_what_cases_lend(
    tmp_path: Path, stepped: float
) -> None:
    """A sample at zero or below has no log: the case has the plain interval of its medians, lends nothing."""
    records = run_of(4) + timed(case_of("vgg19"), [0.05, 0.051, 0.052])
    spoiled = structs.replace(
        records[-1].measurements[0], samples=[stepped, *records[-1].measurements[0].samples]
    )
    records[-1] = structs.replace(records[-1], measurements=[spoiled])
    figures = figures_of(tmp_path, records)
    interval = figures["vgg19", "forward", "wall_time"].interval
    assert interval is not None
    assert interval.method == "t"
    other = figures["lenet5", "forward", "wall_time"].interval
    assert other is not None
    assert other.parts is not None
    assert other.parts.cases == 4


def test_medians_at_zero_or_below_have_no_interval(tmp_path: Path) -> None:
    bad = [
        planted_records.record(
            case_of("vgg19", replicate=number),
            Measurement(phase="forward", metric="wall_time", unit="s", samples=[median] * 3),
        )
        for number, median in enumerate((-0.1, 0.0, 0.1), start=1)
    ]
    figure = time_of(tmp_path, [*run_of(4), *bad], "vgg19")
    assert (figure.median, figure.interval, figure.scatter) == (0.0, None, None)


def test_a_clock_that_went_back_between_processes_changes_nothing(tmp_path: Path) -> None:
    """Rounds are told by the numbers of processes, never by the time of day."""
    records = run_of(4)
    back = [
        structs.replace(record, started_at=f"2026-01-01T00:{59 - number:02d}:00Z")
        for number, record in enumerate(records)
    ]
    one, other = figures_of(tmp_path / "one", records), figures_of(tmp_path / "other", back)
    assert one == other


# what is printed


def test_the_sentence_stands_once_with_the_runs_own_numbers(tmp_path: Path) -> None:
    records = run_of(6)
    records += timed(case_of("vgg16-bn", workload="training"), [0.2, 0.21], phase="step")
    folder = planted_records.write(tmp_path, records)
    text = formats.render("md", build([folder]))
    assert text.count("are moderated: ") == 1
    parts = [f.interval.parts for f in summarise([folder]).figures if f.interval and f.interval.parts]
    freedoms = sorted(round(each.prior_freedom, 1) for each in parts)
    told = f"{freedoms[0]:g}" if freedoms[0] == freedoms[-1] else f"{freedoms[0]:g} to {freedoms[-1]:g}"
    assert "Intervals of 2 to 3 processes are moderated: a case's own scatter counts for n - 1" in text
    assert f"that of the 6 other cases of this run for {told}." in text
    assert "--plain-intervals uses each case's own processes only" in text


def test_what_is_not_resolved_says_how_many_more_processes_would_resolve_it(tmp_path: Path) -> None:
    medians = [0.1, 0.2]
    records = run_of(5) + timed(case_of("vgg19"), medians)
    text = shown(tmp_path, records)["vgg19"]
    assert text.startswith("not resolved (")
    more = int(text.rsplit("+", 1)[1].rstrip(")"))
    figure = time_of(tmp_path, records, "vgg19")
    assert figure.interval is not None
    parts = figure.interval.parts
    assert parts is not None

    def reach(processes: int) -> float:
        freedom = parts.freedom + processes
        half = oracle.t.ppf(0.975, freedom) * math.sqrt(parts.variance / (len(medians) + processes))
        return math.expm1(half)

    assert reach(more) <= 0.25 < reach(more - 1)


@settings(deadline=None)  # numpy is imported by the first
@given(
    samples=st.lists(st.floats(1e-7, 1e3), min_size=1, max_size=40),
    metric=st.sampled_from(["wall_time", "device_time", "energy", "layer_time"]),
)
def test_what_is_kept_of_a_process_is_its_scatter(samples: list[float], metric: str) -> None:
    record = planted_records.record(
        case_of("lenet5"), Measurement(phase="forward", metric=metric, unit="s", samples=samples)
    )
    within = _within(record)
    known = process_scatter(samples)
    assert known is not None
    assert within == pytest.approx(known.within, rel=1e-6, abs=1e-15)


def test_of_counts_no_scatter_is_kept() -> None:
    record = planted_records.record(case_of("lenet5"), planted_records.fact("model", "weights", 5.0))
    assert _within(record) == UNKNOWN_VARIANCE


def _within(record: Record) -> float:
    """Of its only measurement."""
    [(_, process)] = condensed([(0, record)])
    _, _, _, withins = numbers_of([process])
    return float(withins.item())
