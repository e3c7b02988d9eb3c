"""The named suites are what was promised, and a suite in a file is checked before anything runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from msgspec import structs

from bench import devices
from bench.host import cpu_cores
from bench.plan import (
    estimate,
    expand,
    feasibility,
    named_suites,
    plan_processes,
    suite_file,
    suite_plan,
)
from bench.plan.named_suites import SUITES
from bench.plan.suite import Suite
from bench.plan.suite_plan import Asked
from bench.schema.case import Case, MeasurementProtocol
from models import catalogue
from models.errors import UserError

ALL = set(catalogue.MODELS)


def cases(suite: Suite, monkeypatch: pytest.MonkeyPatch, gpu: bool) -> list[Case]:
    monkeypatch.setattr(devices, "auto", lambda: "cuda" if gpu else "cpu")
    return expand.cases(suite, {}, threads=2)


def test_quick_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cases(named_suites.find("quick", "cpu"), monkeypatch, gpu=False)
    assert {case.device for case in found} == {"cpu"}
    plain = [c for c in found if (c.precision, c.engine, c.layout) == ("fp32", "eager", "nchw")]
    assert Counter(c.model for c in plain if c.workload == "inference" and c.batch == 1) == Counter(ALL)
    training = [c for c in plain if c.workload == "training"]
    assert {c.model for c in training} == {"alexnet", "vgg11", "vgg16"}
    assert max(c.batch for c in training) <= 8
    others = {(c.model, c.precision, c.engine) for c in found if c not in plain}
    assert others == {("alexnet", "fp32", "compile"), ("alexnet", "amp-bf16", "eager")}


def test_quick_with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network in every usual precision; compiling and a CPU beside the GPU in a few rows."""
    found = cases(named_suites.find("quick", "cuda"), monkeypatch, gpu=True)
    at_64 = [c for c in found if c.device == "cuda" and c.batch == 64]
    eager = [c for c in at_64 if c.engine == "eager"]
    for model in ALL:
        inference = [c.precision for c in eager if c.model == model and c.workload == "inference"]
        assert sorted(inference) == ["amp-bf16", "fp32", "tf32"]
    assert {c.model for c in eager if c.workload == "training"} == {"alexnet", "vgg11", "vgg16"}
    compiled = {(c.model, c.workload, c.precision) for c in at_64 if c.engine == "compile"}
    assert compiled == {(m, w, "amp-bf16") for m in ("alexnet", "vgg16") for w in ("inference", "training")}
    on_cpu = [c for c in found if c.device == "cpu"]
    assert on_cpu
    assert all(structs.replace(c, device="cuda") in found for c in on_cpu)
    assert all(c.precision == "fp32" for c in on_cpu)


def test_standard_with_a_gpu_compares_it_with_the_cpu_at_shared_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = cases(named_suites.find("standard", "cuda"), monkeypatch, gpu=True)
    shared = [c for c in found if c.device == "cpu"]
    assert {c.model for c in shared} == {"alexnet", "vgg11", "vgg16"}
    assert {c.workload for c in shared} == {"inference", "training"}
    assert all(structs.replace(c, device="cuda") in found for c in shared)


SMOKE_MODELS = ("alexnet", "vgg16")


def test_smoke_with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve eager cases, three processes each, and one compiled case."""
    suite = named_suites.find("smoke", "cuda")
    monkeypatch.setattr(devices, "auto", lambda: "cuda")
    counts = Counter(case.without_replicate() for case in expand.processes(suite, {}, threads=2))
    eager = [case for case in counts if case.engine == "eager"]
    assert {(c.model, c.workload, c.precision, c.batch) for c in eager} == {
        (model, workload, precision, 64)
        for model in SMOKE_MODELS
        for workload in ("inference", "training")
        for precision in ("fp32", "tf32", "amp-bf16")
    }
    assert {counts[case] for case in eager} == {3}
    (compiled,) = counts.keys() - eager
    assert (compiled.engine, counts[compiled]) == ("compile", 1)
    assert (suite.ceilings, suite.protocol.energy_seconds) == (False, 0)


def test_smoke_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same networks and workloads, one image each, in what a CPU can have."""
    suite = named_suites.find("smoke", "cpu")
    monkeypatch.setattr(devices, "auto", lambda: "cpu")
    counts = Counter(case.without_replicate() for case in expand.processes(suite, {}, threads=2))
    assert {(c.model, c.workload, c.precision, c.engine, c.batch) for c in counts} == {
        (model, workload, precision, "eager", 1)
        for model in SMOKE_MODELS
        for workload in ("inference", "training")
        for precision in ("fp32", "amp-bf16")
    }
    assert set(counts.values()) == {2}
    assert (suite.ceilings, suite.protocol.energy_seconds) == (False, 0)


AVX512_CORE = 64 * 2.4e9
"""FLOPs per second of one of the two cores that README's figures are from."""
PROMISED = {
    ("smoke", "cuda"): "a minute and a half",
    ("smoke", "cpu"): "two minutes",
    ("quick", "cuda"): "ten minutes",
    ("quick", "cpu"): "seven minutes",
    ("standard", "cuda"): "an hour and a half",
}


@pytest.mark.parametrize(("name", "device"), PROMISED)
def test_a_suite_takes_as_long_as_it_says_by_the_estimate(
    monkeypatch: pytest.MonkeyPatch, name: str, device: str
) -> None:
    monkeypatch.setattr(devices, "auto", lambda: device)
    monkeypatch.setattr(cpu_cores, "core_flops", lambda: AVX512_CORE)
    monkeypatch.setattr(cpu_cores, "instructions", lambda *_: frozenset({"avx2", "avx512f"}))
    monkeypatch.setattr(cpu_cores, "usable_cores", lambda: 2)
    monkeypatch.setattr(devices.get(device), "why_absent", lambda: None)
    suite = named_suites.find(name, device)
    plan = suite_plan.of_suite(Asked(suite=name))
    planned = plan_processes.of_plan(plan)
    first = estimate.estimate_seconds(planned, suite.protocol) / 60
    minutes = estimate.plan_seconds(plan, planned) / 60
    assert suite.limit_minutes is not None
    assert first <= suite.limit_minutes
    assert 0.5 * suite.limit_minutes < minutes <= suite.limit_minutes
    assert suite.summary.endswith(PROMISED[name, device])


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_quick_and_standard_go_on_until_5_percent_and_the_others_have_a_number(
    monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    """What a suite promises is its budget, for the whole of it and its own target only."""
    monkeypatch.setattr(devices, "auto", lambda: device)
    monkeypatch.setattr(devices.get(device), "why_absent", lambda: None)
    found = {name: suite_plan.of_suite(Asked(suite=name)) for name in SUITES}
    on_gpu = device == "cuda"
    rules = {name: (plan.replicates, plan.until, plan.budget_seconds) for name, plan in found.items()}
    assert rules == {
        "smoke": (3 if on_gpu else 2, None, None),
        "quick": (None, 0.05, 600.0 if on_gpu else 420.0),
        "standard": (None, 0.05, 5400.0 if on_gpu else None),
        "full": (10, None, None),
    }
    quick = found["quick"]
    assert quick.single == []
    counts = Counter(case.without_replicate() for case in plan_processes.of_plan(quick))
    assert {n for case, n in counts.items() if case.workload != "ceiling"} == {2}
    narrow = suite_plan.of_suite(Asked(suite="quick", until="3%"))
    assert (narrow.until, narrow.budget_seconds) == (0.03, None)
    assert len([c for c in plan_processes.of_plan(narrow) if c.replicate == 3]) == len(narrow.cases)
    product = suite_plan.of_suite(Asked(given={"model": ("lenet5",)}))
    assert (product.until, product.budget_seconds, product.ceilings) == (0.05, None, False)
    fixed = suite_plan.of_suite(Asked(suite="standard", replicates=4))
    assert (fixed.replicates, fixed.until, fixed.single) == (4, None, [])


def test_full_says_that_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for device, words, days in (("cpu", "takes a week", 5), ("cuda", "takes weeks", 14)):
        monkeypatch.setattr(devices, "auto", lambda device=device: device)
        suite = named_suites.find("full", device)
        planned = expand.processes(suite, {}, threads=2)
        assert estimate.estimate_seconds(planned, suite.protocol) > days * 86_400
        assert suite.summary.endswith(words)


@pytest.mark.parametrize("gpu", [False, True])
def test_suites_widen(monkeypatch: pytest.MonkeyPatch, gpu: bool) -> None:
    sizes = []
    for name in ("smoke", "quick", "standard", "full"):
        found = cases(named_suites.find(name, "cuda" if gpu else "cpu"), monkeypatch, gpu=gpu)
        assert len(found) == len(set(found))
        sizes.append(len(found))
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("name", SUITES)
def test_no_suite_plans_what_cannot_be(monkeypatch: pytest.MonkeyPatch, name: str, gpu: bool) -> None:
    """Impossible on every machine: such rows would only fill the report with `skipped`.

    Allowed is the one combination that an engine refuses for a single precision of a whole product.
    """
    found = cases(named_suites.find(name, "cuda" if gpu else "cpu"), monkeypatch, gpu=gpu)
    reasons = {feasibility.why_impossible(case) for case in found} - {None}
    assert all("GradScaler" in (reason or "") for reason in reasons)


@pytest.mark.parametrize(("given", "nearest"), [("quik", "quick"), ("", None), ("Full", "full")])
def test_an_unknown_suite(given: str, nearest: str | None) -> None:
    with pytest.raises(UserError, match=f"unknown suite '{given}'") as caught:
        named_suites.find(given, "cpu")
    assert nearest is None or f"Did you mean {nearest!r}" in str(caught.value)


GOOD = """
name = "mine"
summary = "two nets"
replicates = 4
[protocol]
min_samples = 30
sampling_seconds = 5
[[cases]]
model = ["lenet5", "vgg-small"]
batch = [1, 8]
[[cases]]
model = "alexnet"
precision = "amp-bf16"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_suite_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = named_suites.find(str(written(tmp_path, GOOD)), "cpu")
    assert (suite.name, suite.summary, suite.replicates) == ("mine", "two nets", 4)
    assert suite.protocol == MeasurementProtocol(min_samples=30, sampling_seconds=5.0)
    found = cases(suite, monkeypatch, gpu=False)
    assert Counter((c.model, c.batch, c.precision) for c in found) == Counter(
        [
            ("lenet5", 1, "fp32"),
            ("lenet5", 8, "fp32"),
            ("vgg-small", 1, "fp32"),
            ("vgg-small", 8, "fp32"),
            ("alexnet", 1, "amp-bf16"),
        ]
    )


def test_slow_steps_take_few_samples_in_a_suite_and_as_many_as_it_says_in_a_file(tmp_path: Path) -> None:
    suites = [named_suites.find(name, device) for name in named_suites.names() for device in ("cpu", "cuda")]
    assert {suite.protocol.fewest_samples for suite in suites} == {3}
    assert named_suites.find(str(written(tmp_path, GOOD)), "cpu").protocol.fewest_samples is None
    few = GOOD.replace("min_samples = 30", "min_samples = 30\nfewest_samples = 4")
    assert named_suites.find(str(written(tmp_path, few)), "cpu").protocol.fewest_samples == 4
    many = written(tmp_path, few.replace("fewest_samples = 4", "fewest_samples = 31"))
    with pytest.raises(UserError, match="fewest_samples must not exceed min_samples"):
        named_suites.find(str(many), "cpu")


def test_the_least_suite(tmp_path: Path) -> None:
    suite = suite_file.from_toml(written(tmp_path, '[[cases]]\nmodel = "lenet5"\n'))
    assert (suite.name, suite.protocol) == ("mine", MeasurementProtocol())
    assert suite.replicates >= 2


CASES = '[[cases]]\nmodel = "lenet5"\n'


@pytest.mark.parametrize("seconds", [0, 0.0, 2.5])
def test_energy_alone_may_be_left_out(tmp_path: Path, seconds: float) -> None:
    suite = suite_file.from_toml(written(tmp_path, CASES + f"[protocol]\nenergy_seconds = {seconds}"))
    assert suite.protocol == MeasurementProtocol(energy_seconds=seconds)


@pytest.mark.parametrize(("written_so", "until", "first"), [("'5%'", 0.05, 2), ("0.03", 0.03, 3)])
def test_a_suite_may_have_a_target_in_place_of_a_number(
    tmp_path: Path, written_so: str, until: float, first: int
) -> None:
    suite = suite_file.from_toml(written(tmp_path, f"until = {written_so}\n" + CASES))
    assert (suite.until, suite.replicates) == (until, first)


@pytest.mark.parametrize("flush", [True, False])
def test_a_suite_may_ask_for_a_cold_l2(tmp_path: Path, flush: bool) -> None:
    suite = suite_file.from_toml(written(tmp_path, CASES + f"[protocol]\nflush_l2 = {str(flush).lower()}"))
    assert suite.protocol.caches == ("cold L2" if flush else "warm")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs at least one [[cases]] table"),
        ("cases = []", "needs at least one [[cases]] table"),
        ("cases = 3", "needs at least one [[cases]] table"),
        ("cases = [1]", "needs at least one [[cases]] table"),
        ("[cases]\nmodel = 'lenet5'", "needs at least one [[cases]] table"),
        ("[[cases]]\nbatch = 1", "needs a model"),
        ("replicate = 3\n" + CASES, "Did you mean 'replicates'"),
        (CASES + "batchs = 2", "Did you mean 'batch'"),
        (CASES + "[protocol]\nmin_sample = 3", "Did you mean 'min_samples'"),
        (CASES + "replicate = 2", "unknown axis"),
        (CASES + "batch = 0", "batch must be a whole number"),
        (CASES + "batch = -4", "batch must be a whole number"),
        (CASES + "batch = 1.5", "batch must be a whole number"),
        (CASES + "batch = true", "batch must be a whole number"),
        (CASES + "batch = {a = 1}", "batch must be a whole number"),
        (CASES + "batch = [[1]]", "batch must be a whole number"),
        (CASES + "batch = 10e300", "batch must be a whole number"),
        (CASES + "batch = 1" + "0" * 30, "batch must be a whole number"),
        (CASES + "batch = []", "needs at least one value"),
        (CASES + "seed = 1979-05-27", "seed must be a whole number"),
        (CASES + "precision = 'fp23'", "Did you mean 'fp32'"),
        (CASES + "precision = 32", "precision must be a name"),
        ("[[cases]]\nmodel = 5", "model must be a name"),
        ("[[cases]]\nmodel = 'lenet6'", "Did you mean 'lenet5'"),
        ("[[cases]]\nmodel = 'a\\u0000.py:f'".replace("'", '"'), "control characters"),
        ("name = 3\n" + CASES, "name in"),
        ("summary = ['x']\n" + CASES, "summary in"),
        ("replicates = 0\n" + CASES, "replicates must be a whole number from 1 to 1000"),
        ("replicates = 'many'\n" + CASES, "replicates must be a whole number from 1 to 1000"),
        ("until = '5'\n" + CASES, "until must be a number above 0 and up to 1"),
        ("until = 0\n" + CASES, "until must be a number above 0 and up to 1"),
        ("until = true\n" + CASES, "until must be a number above 0 and up to 1"),
        ("until = '5%'\nreplicates = 3\n" + CASES, "has both replicates and until"),
        ("protocol = 3\n" + CASES, "must be a table: [protocol]"),
        (CASES + "[protocol]\nmin_samples = 'x'", "[protocol]"),
        (CASES + "[protocol]\nmin_samples = 20.5", "[protocol]"),
        (CASES + "[protocol]\nmin_samples = 0", "above 0"),
        (CASES + "[protocol]\nmin_samples = 3000", "min_samples must not exceed max_samples"),
        (CASES + "[protocol]\nmax_samples = 1" + "0" * 30, "[protocol]"),
        (CASES + "[protocol]\ntarget_ci = -0.01", "above 0"),
        (CASES + "[protocol]\ntarget_ci = nan", "above 0"),
        (CASES + "[protocol]\ntime_limit_seconds = inf", "above 0"),
        (CASES + "[protocol]\nenergy_seconds = -1", "energy_seconds = 0 turns energy off"),
        (CASES + "[protocol]\ntime_limit_seconds = true", "[protocol]"),
        ("this is not TOML", "is not valid TOML"),
        (CASES + CASES.replace("[[cases]]", ""), "is not valid TOML"),
        ("a = " + "[" * 5000, "is not valid TOML"),
        ("a = 1" + "0" * 6000, "is not valid TOML"),
    ],
)
def test_a_bad_suite_file_is_a_sentence_that_names_it(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        suite_file.from_toml(written(tmp_path, text))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name, words in (
        ("missing.toml", "No such file"),
        ("folder.toml", "Is a directory"),
        ("binary.toml", "is not valid TOML"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            suite_file.from_toml(tmp_path / name)
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("device", "engines"),
    [
        ("cpu", {"eager", "compile", "compile-max-autotune"}),
        ("cuda", {"eager", "compile", "compile-max-autotune", "compile-reduce-overhead", "cudagraph"}),
    ],
)
def test_the_full_suite_has_what_its_device_has(
    monkeypatch: pytest.MonkeyPatch, device: str, engines: set[str]
) -> None:
    found = cases(named_suites.find("full", device), monkeypatch, gpu=device == "cuda")
    assert {case.engine for case in found} == engines
    assert {case.precision for case in found} == set(devices.traits(device).precisions)
