"""A case becomes a record: on the CPU with small networks, against the closed form and counts by hand."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from msgspec import structs
from torch._inductor import async_compile

from bench import devices, engines
from bench.child import compiling, passes, worker
from bench.child.in_force import InForce
from bench.contracts.device import Device, Traits
from bench.contracts.steps import Steps
from bench.devices.fake import FREE_BYTES, FakeDevice
from bench.forkserver.client import Server
from bench.forkserver.failure import JobError
from bench.forkserver.outcome import explain
from bench.forkserver.wire import ChildError
from bench.host import environment
from bench.probes import compiled_part, memory
from bench.probes.compiled_part import CompiledPart
from bench.probes.energy import EnergyMeter
from bench.runner.attempt import attempt
from bench.runner.preload import preload
from bench.schema.case import PRECISIONS, TIMED, Case, MeasurementProtocol, Workload
from bench.schema.case_warnings import CaseWarning
from bench.schema.job import Job, JobResult
from bench.schema.network_fingerprint import same_network
from bench.schema.record import Record
from bench.studies.max_batch.batch_search import MEMORY_ONLY, largest_batch
from bench.tensors import case_context
from bench.timing import latency
from bench.workloads import workloads
from models import catalogue
from models.closed_form import Cost, cost
from models.network import Network
from tests.planted import planted_records
from tests.planted.asked_figures import is_said_once, unexplained
from tests.planted.planted_arguments import of_shape
from tests.planted.planted_steps import MS, launches, planted

pytestmark = pytest.mark.slow

QUICK = MeasurementProtocol(
    warmup_steps=2,
    warmup_seconds=0.001,
    warmup_limit_seconds=0.2,
    min_samples=20,
    max_samples=20,
    sampling_seconds=0.2,
    energy_seconds=0,
)
CPU = devices.get("cpu")
BATCH = 4
LENET = Case(model="lenet5", batch=BATCH, image=28, channels=1, classes=10, threads=1)
WAYS = [(precision, workload) for precision in PRECISIONS for workload in TIMED]


def measured(case: Case, protocol: MeasurementProtocol = QUICK) -> Record:
    job = Job(case=case, protocol=protocol, environment=environment.describe())
    return worker.run(job, CPU)[0]


def values(record: Record) -> dict[tuple[str, str], list[float]]:
    """What counts: a window that another machine disturbed is in the record beside the one taken after it."""
    used = [m for m in record.measurements if not m.disturbed]
    found: dict[tuple[str, str], list[float]] = {(m.phase, m.metric): m.samples for m in used}
    assert len(found) == len(used), "a metric of a phase stands twice"
    return found


def closed_form(case: Case) -> Cost:
    return cost(
        catalogue.MODELS[case.model],
        channels=case.channels,
        image=case.image,
        classes=case.classes,
        batch=case.batch,
    )


@pytest.fixture(scope="module", autouse=True)
def settings() -> Iterator[None]:
    """A child keeps its process's settings to itself; here they are put back."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def records() -> Callable[[str, str], Record]:
    """LeNet-5 in every precision and workload of this machine, each measured once."""
    kept: dict[tuple[str, str], Record] = {}

    def record(precision: str, workload: str) -> Record:
        case = msgspec.structs.replace(LENET, precision=precision, workload=workload)
        reason = CPU.why_unsupported(case) or CPU.why_unusable(case)
        if reason:
            pytest.skip(reason)
        if (precision, workload) not in kept:
            kept[precision, workload] = measured(case)
        return kept[precision, workload]

    return record


Records = Callable[[str, str], Record]


@pytest.mark.parametrize(("precision", "workload"), WAYS)
def test_the_dtypes_are_those_that_really_came_out(records: Records, precision: str, workload: str) -> None:
    stored, computed = {
        "fp32": ("float32", "float32"),
        "amp-bf16": ("float32", "bfloat16"),
        "amp-fp16": ("float32", "float16"),
        "bf16": ("bfloat16", "bfloat16"),
        "fp16": ("float16", "float16"),
    }.get(precision, ("", ""))
    effective = records(precision, workload).effective
    assert effective.precision["weights"] == stored
    assert (effective.precision["conv_output"], effective.precision["linear_output"]) == (computed, computed)
    assert effective.machine["threads"] == "1"


@pytest.mark.parametrize(("precision", "workload"), WAYS)
def test_parameters_and_flops_are_the_closed_form(records: Records, precision: str, workload: str) -> None:
    record = records(precision, workload)
    found, expected = values(record), closed_form(record.case)
    assert found["model", "parameters"] == [expected.parameters] == [61_706]
    assert found["forward", "flops"] == [expected.flops_forward]
    if workload == "training":
        assert found["backward", "flops"] == [expected.flops_backward]
    else:
        assert ("backward", "flops") not in found


@pytest.mark.parametrize(("precision", "workload"), WAYS)
def test_bytes_of_weights_gradients_and_optimizer(records: Records, precision: str, workload: str) -> None:
    found = values(records(precision, workload))
    width = 2 if precision in ("bf16", "fp16") else 4
    assert found["model", "weights"] == [width * 61_706]
    assert found["model", "inputs"] == [
        width * BATCH * 28 * 28 + (8 * BATCH if workload == "training" else 0)
    ]
    for metric in ("gradients", "optimizer_state"):
        if workload == "training":
            assert found["model", metric] == [width * 61_706]
        else:
            assert ("model", metric) not in found


@pytest.mark.parametrize(("precision", "workload"), WAYS)
def test_the_phases_that_are_timed(records: Records, precision: str, workload: str) -> None:
    record = records(precision, workload)
    timed = {m.phase: m for m in record.measurements if m.metric == "wall_time"}
    whole = ["forward"] if workload == "inference" else ["forward", "backward", "optimizer", "step"]
    assert list(timed) == whole
    for measurement in timed.values():
        assert len(measurement.samples) == 20
        assert all(0 < sample < 1 for sample in measurement.samples)
        assert measurement.stopped in ("target", "limit")
        assert measurement.unit == "s"
    assert record.status == "ok"
    assert not {m.metric for m in record.measurements} & {"device_time", "host_time"}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_saved_activations_are_there_in_training_only(records: Records, precision: str) -> None:
    """LeNet-5 in fp32 keeps what the backward of each layer needs: the outputs of its four sigmoids and its
    two poolings, the logits' softmax and, of cross-entropy, one number."""
    found = values(records(precision, "training"))
    if precision == "fp32":
        sigmoids = 6 * 28 * 28 + 16 * 10 * 10 + 120 + 84
        poolings = 6 * 14 * 14 + 16 * 5 * 5
        assert found["forward", "saved_activations"] == [4 * (BATCH * (sigmoids + poolings + 10) + 1)]
    assert found["forward", "saved_activations"][0] > 0
    assert ("forward", "saved_activations") not in values(records(precision, "inference"))


def test_amp_inference_casts_the_images_and_no_weight_at_a_call(records: Records) -> None:
    assert values(records("amp-bf16", "inference"))["forward", "casts"] == [1]


def test_amp_training_casts_every_weight_at_every_step(records: Records) -> None:
    """Forward: the images, ten weights and biases, and the logits back to fp32 for the loss. Backward: the
    gradients of the logits and of the ten."""
    assert values(records("amp-bf16", "training"))["step", "casts"] == [(1 + 10 + 1) + (1 + 10)]


@pytest.mark.parametrize("workload", TIMED)
def test_what_does_not_use_autocast_has_no_cost_of_casting(records: Records, workload: str) -> None:
    assert not {"casts", "cast_time"} & {metric for _, metric in values(records("fp32", workload))}
    assert not {"casts", "cast_time"} & {metric for _, metric in values(records("bf16", workload))}
    assert values(records("amp-bf16", workload))["model", "cast_time"][0] > 0


def test_peaks_and_contention_are_recorded(records: Records) -> None:
    found = values(records("fp32", "training"))
    peaks = [found[phase, "peak_resident"][0] for phase in ("forward", "backward", "optimizer")]
    assert found["step", "peak_resident"] == [max(peaks)]
    assert {metric for phase, metric in found if phase == "window"} >= {"steal_share", "cpu_utilisation"}


@pytest.mark.parametrize("workload", TIMED)
def test_alexnet_on_small_images(workload: Workload, tmp_path: Path) -> None:
    """In a process of its own: memory that the tests before have freed would hide a part of the peak."""
    case = Case(
        model="alexnet", workload=workload, batch=2, image=64, classes=100, layout="channels-last", threads=2
    )
    hasty = msgspec.structs.replace(QUICK, warmup_limit_seconds=0.01, min_samples=1, max_samples=1)
    with Server(preload=preload([case])) as server:
        record = attempt(case, hasty, environment.describe(), tmp_path, server)
    found, expected = values(record), closed_form(case)
    assert found["model", "parameters"] == [expected.parameters]
    assert found["model", "weights"] == [4 * expected.parameters]
    assert found["forward", "flops"] == [expected.flops_forward]
    training = workload == "training"
    assert found.get(("backward", "flops")) == ([expected.flops_backward] if training else None)
    held = 3 if training else 1  # weights, gradients, momentum
    peak = found["step" if training else "forward", "peak_resident"][0]
    assert held * 4 * expected.parameters < peak < (held + 1) * 4 * expected.parameters


def test_a_case_that_is_given_up_is_not_measured_further() -> None:
    record = measured(LENET, msgspec.structs.replace(QUICK, give_up_seconds=1e-9))
    found = {(m.phase, m.metric): m for m in record.measurements}
    assert record.status == "ok"
    assert found["forward", "wall_time"].stopped == "worse"
    assert len(found["forward", "wall_time"].samples) == 2
    assert ("forward", "peak_resident") not in found
    assert ("forward", "flops") in found


def test_a_child_hands_back_bytes_that_the_parent_can_read() -> None:
    job = Job(case=LENET, protocol=QUICK, environment=environment.describe())
    finished = msgspec.json.decode(worker.measure_case(msgspec.json.encode(job)), type=JobResult)
    assert finished.record.case == LENET
    assert finished.record.protocol == QUICK
    assert finished.record.environment == environment.describe()
    assert finished.first_step_at is not None
    assert finished.record.started_at.endswith("+00:00")


def test_a_child_says_what_its_seconds_went_to() -> None:
    environment.describe()  # takes its time once in a process
    began = time.monotonic()
    record = measured(LENET, QUICK)
    took = time.monotonic() - began
    assert set(record.spent) == {"building", "warming-up", "measuring", "probing", "rest"}
    assert min(record.spent.values()) > 0
    assert 0.9 * took <= sum(record.spent.values()) <= took


def test_what_torch_cannot_run_here_is_told_case_by_case() -> None:
    cases = [LENET, msgspec.structs.replace(LENET, device="cuda"), LENET]
    told = msgspec.json.decode(worker.why_unusable(msgspec.json.encode(cases)), type=list[str | None])
    assert (told[0], told[2]) == (None, None)
    assert (told[1] is None) == torch.cuda.is_available()


def test_a_child_that_fails_says_what_was_free_on_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(job: Job, device: Device) -> None:
        raise RuntimeError("FIND was unable to find an engine")

    monkeypatch.setattr(worker, "run", fail)
    monkeypatch.setattr(devices, "get", lambda name: FakeDevice())
    job = Job(case=LENET, protocol=QUICK, environment=environment.describe())
    with pytest.raises(JobError) as failing:
        worker.measure_case(msgspec.json.encode(job))
    assert failing.value.free_bytes == FREE_BYTES
    assert isinstance(failing.value.__cause__, RuntimeError)


def in_force(module: torch.nn.Module, **fields: object) -> InForce:
    return InForce(CPU, module, msgspec.structs.replace(LENET, **fields))


class FirstIsLast(torch.nn.Module):
    """Its first convolution is never called, as attention's projections are not."""

    def __init__(self) -> None:
        super().__init__()
        self.unused, self.conv = torch.nn.Conv2d(1, 6, 5), torch.nn.Conv1d(1, 6, 5)
        self.narrow, self.fc = torch.nn.Linear(24, 3, dtype=torch.bfloat16), torch.nn.Linear(3, 2)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.fc(self.narrow(self.conv(given).bfloat16()).float())
        return found


def test_the_dtypes_are_those_of_the_first_layers_that_run_and_no_hook_stays() -> None:
    """With a hook anywhere in it, attention takes another way through torch."""
    module = FirstIsLast()
    seen = in_force(module)
    assert seen.effective().precision.keys().isdisjoint(("conv_output", "linear_output"))
    module(torch.randn(2, 1, 28))
    found = seen.effective().precision
    assert (found["conv_output"], found["linear_output"]) == ("float32", "bfloat16")
    assert not any(part._forward_hooks for part in module.modules())


def test_a_first_step_that_fails_leaves_no_hook() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 6, 5), torch.nn.Linear(3, 2))
    in_force(module)
    with pytest.raises(RuntimeError):
        module(torch.randn(2, 1, 28, 28))
    assert not any(part._forward_hooks for part in module.modules())


class Counting(torch.nn.Module):
    """Takes four images and no other number, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.calls = torch.nn.Conv2d(1, 6, 5), 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        found: torch.Tensor = self.conv(images).view(4, 6, 24, 24).mean((2, 3))
        return found


@pytest.mark.parametrize("engine", ["eager", "compile"])
def test_preparing_runs_nothing_and_the_dtypes_come_from_the_cases_own_batch(engine: str) -> None:
    """Compiled code calls no layer: what it was made of gives them, on shapes alone."""
    module = Counting()
    seen = in_force(module, engine=engine, precision="amp-bf16")
    assert module.calls == 0
    with case_context(seen.case, "cpu"):
        images = of_shape(4, 1, 28, 28)
        _ = seen.infer(images) if seen.needs_inference else images.call(module)
    assert module.calls == (0 if engine == "compile" else 1)
    assert seen.effective().precision["conv_output"] == "bfloat16"
    assert not module.conv._forward_hooks


def test_what_a_blocks_gradient_is_shaped_after_is_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the shapes of the timed steps."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    seen: list[bool] = []
    module = torch.nn.Conv2d(2, 2, 3)
    module.register_forward_hook(lambda *given: seen.append(torch.backends.cudnn.benchmark))
    case = Case(model="block:2:3x3", workload="training", image=8, channels=2, batch=4)
    workloads()["training"].prepare(Network(module), case, engines.get("eager"), "cpu")
    assert seen == [True]


class Recompiling:
    """An engine whose count of compiled graphs is planted."""

    def __init__(self, counts: list[int]) -> None:
        self._counts = iter(counts)

    def observe(self) -> Mapping[str, int]:
        return {"compiled_graphs": next(self._counts)}


def test_a_recompile_inside_a_window_voids_it_and_one_before_does_not() -> None:
    """Counts at the start, after the warm-up (which compiled once more), and after two windows."""
    steps = planted(FakeDevice(), ())
    guarded = compiling.refuse_recompiles(steps, Recompiling([1, 2, 2, 4]))  # type: ignore[arg-type]
    guarded.why_invalid()  # as at the end of the warm-up
    assert guarded.why_invalid() is None
    assert guarded.why_invalid() == "torch.compile compiled 2 more graphs inside the window"


def test_the_steps_own_check_still_speaks() -> None:
    steps = replace(planted(FakeDevice(), ()), why_invalid=lambda: "steps were skipped")
    guarded = compiling.refuse_recompiles(steps, Recompiling([1, 1]))  # type: ignore[arg-type]
    assert guarded.why_invalid() == "steps were skipped"


NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.shared = self.conv
        self.register_buffer("scale", torch.ones(7))
    def forward(self, x):
        return self.conv(x).flatten(1)[:, :10]

def make():
    return Net()
"""


def test_a_network_of_the_users_own_with_a_shared_layer_and_a_buffer(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(NETWORK)
    before = list(sys.path)
    try:
        case = msgspec.structs.replace(LENET, model=f"{tmp_path / 'own.py'}:make", workload="training")
        found = values(measured(case))
    finally:
        sys.path[:] = before
    assert found["model", "parameters"] == [2 * 9 + 2]
    assert found["model", "weights"] == [4 * 20]
    assert found["model", "buffers"] == [4 * 7]
    assert found["forward", "flops"] == [2 * BATCH * 2 * 26 * 26 * 9]


def test_the_whole_way_on_an_asynchronous_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """LeNet-5 on the fake GPU, its forward planted to cost the host 1 ms and the device 4 ms."""
    device = FakeDevice()
    prepare = worker.prepare

    def with_planted_cost(case: Case, where: FakeDevice) -> object:
        module, steps, *found = prepare(case, where)
        cost = launches(device, 1 * MS, 4 * MS)
        first = [steps.step]  # gives an output, in no time by the fake device's clock

        def step() -> None:
            if first:
                first.pop()()
            torch.zeros(1)  # the ledger wants an operator
            cost()

        return module, replace(steps, step=step), *found

    monkeypatch.setattr(worker, "prepare", with_planted_cost)
    job = Job(case=LENET, protocol=MeasurementProtocol(energy_seconds=0), environment=environment.describe())
    record, _ = worker.run(job, device)
    found = values(record)
    assert found["forward", "device_time"] == pytest.approx([4 * MS] * 20)
    assert found["forward", "host_time"] == pytest.approx([1 * MS] * 20)
    (steps,) = [m.repeats for m in record.measurements if m.metric == "wall_time"]
    assert found["forward", "wall_time"] == pytest.approx([(1 + steps * 4) / steps * MS] * 20)
    assert found["model", "weights"] == [4 * 61_706]
    assert (record.status, record.warnings) == ("ok", [])


class Planted:
    """An engine that is eager in truth; it says of itself what a test wants."""

    def __init__(self, *, compiles: bool = False, replays_graphs: bool = False, graphs: int = 1) -> None:
        self.compiles, self.replays_graphs = compiles, replays_graphs
        self._graphs = graphs

    def wrap(self, module: torch.nn.Module, tuning: str = "") -> torch.nn.Module:
        return module

    def fuse(self, steps: Steps) -> Steps:
        return steps

    def warnings(self, case: Case, traits: Traits) -> list[CaseWarning]:
        return []

    def observe(self) -> Mapping[str, int]:
        return {"compiled_graphs": self._graphs, "graph_breaks": 0, "cache_hits": 0}


def planted_record(
    monkeypatch: pytest.MonkeyPatch, engine: Planted, device: Device = CPU, *, facts: bool = True
) -> Record:
    monkeypatch.setattr(engines, "get", lambda name: engine)
    monkeypatch.setattr(
        compiled_part, "profile_step", lambda steps: CompiledPart(calls=1, products=1, eager={})
    )
    job = Job(case=LENET, protocol=QUICK, environment=environment.describe(), facts=facts)
    return worker.run(job, device)[0]


def test_a_case_that_torch_compile_left_alone_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    record = planted_record(monkeypatch, Planted(compiles=True, graphs=0))
    assert record.status == "invalid"
    assert record.reason is not None
    assert record.reason.startswith("torch.compile compiled nothing")
    assert planted_record(monkeypatch, Planted(compiles=True)).status == "ok"


def test_compile_workers_end_before_anything_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    timed = latency.time_steps

    def timing(*given: Any) -> latency.Latency:
        order.append("timing")
        return timed(*given)

    monkeypatch.setattr(async_compile, "shutdown_compile_workers", lambda: order.append("shut down"))
    monkeypatch.setattr(latency, "time_steps", timing)
    planted_record(monkeypatch, Planted(compiles=True))
    planted_record(monkeypatch, Planted())
    assert order == ["shut down", "timing", "timing"]


def test_a_replayed_graph_has_no_peak_of_allocations_and_the_record_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for device in (FakeDevice(), FakeDevice(asynchronous=False)):
        engine = Planted(replays_graphs=True)
        prepare = worker.prepare

        def with_planted_cost(case: Case, where: FakeDevice, prepare=prepare) -> object:  # type: ignore[no-untyped-def]
            module, steps, *found = prepare(case, where)
            return module, replace(steps, step=launches(where, 1 * MS, 4 * MS)), *found

        with monkeypatch.context() as patched:
            patched.setattr(worker, "prepare", with_planted_cost)
            record = planted_record(patched, engine, device)
        replays = device.queue() is not None
        assert (("forward", "peak_allocated") in values(record)) != replays
        assert any(warning.label == "no-peak" for warning in record.warnings) == replays


@pytest.mark.parametrize(
    "error", [RuntimeError("a\nbroken pass"), torch.OutOfMemoryError("CUDA out of memory")]
)
def test_a_side_measurement_that_fails_costs_no_timing(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*given: object) -> None:
        raise error

    monkeypatch.setattr(memory, "memory_pass", fail)
    record = measured(LENET)
    found = values(record)
    assert record.status == "ok"
    assert len(found["forward", "wall_time"]) == 20
    assert ("model", "weights") not in found
    assert found["model", "parameters"] == [61_706]
    words = " ".join(str(error).split())
    assert record.warnings[-1] == CaseWarning("incomplete", f"memory: {type(error).__name__}: {words}")
    assert not record.facts


class Small(FakeDevice):
    """Runs out of memory in the memory pass of a batch of more than 300 images."""

    def __init__(self, batch: int) -> None:
        super().__init__(asynchronous=False)
        self._batch = batch
        self._in_memory_pass = False

    def release_memory(self) -> None:
        self._in_memory_pass = True

    def read_peak(self) -> dict[str, int]:
        in_memory_pass, self._in_memory_pass = self._in_memory_pass, False
        if in_memory_pass and self._batch > 300:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return {"peak_allocated": 2**20 * (500 + 10 * self._batch)}


def run_on_small(case: Case) -> Record:
    """As `attempt` would: an exception in the child becomes the status and the reason of the record."""
    job = Job(case=case, protocol=MEMORY_ONLY, environment=environment.describe())
    try:
        return worker.run(job, Small(case.batch))[0]
    except torch.OutOfMemoryError as error:
        types = [each.__name__ for each in type(error).__mro__]
        kind, reason = explain(ChildError(types=types, message=str(error)))
        assert kind != "result"
        return planted_records.record(case, status=kind, reason=reason)


def test_memory_that_runs_out_in_the_memory_pass_refuses_a_batch_and_the_search_goes_on() -> None:
    """Where nothing is timed memory is what was asked for, and an `ok` without it would end the search."""
    case = msgspec.structs.replace(LENET, device="cuda")
    found = largest_batch(case, 4000 * 2**20, run_on_small)
    assert found.remark is None
    assert found.verified is not None
    assert found.refused is not None
    assert found.verified <= 300 < found.refused
    assert {each.status for each in found.tries} == {"ok", "oom"}


@pytest.mark.parametrize(("precision", "workload"), [("fp32", "training"), ("amp-bf16", "inference")])
def test_a_process_that_is_not_asked_for_facts_gives_times_and_all_that_decides_which_are_pooled(
    records: Records, precision: str, workload: str
) -> None:
    asked = records(precision, workload)
    job = Job(case=asked.case, protocol=QUICK, environment=environment.describe(), facts=False)
    found = worker.run(job, CPU)[0]
    assert (found.status, found.facts, asked.facts) == ("ok", False, True)
    lacking = values(asked).keys() - values(found).keys()
    assert lacking == {key for key in values(asked) if is_said_once(key[1], CPU.traits)}
    assert {metric for _, metric in lacking} >= {"weights", "peak_resident", "ledger_peak", "flops"}
    assert not values(found).keys() - values(asked).keys()
    assert unexplained(found) == []
    assert not any(is_said_once(metric, CPU.traits) for metric in found.absent)
    assert found.effective == asked.effective
    assert found.fingerprint is not None
    assert asked.fingerprint is not None
    assert same_network(found.fingerprint, asked.fingerprint)


def test_compiled_dtypes_are_read_back_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read back decides which processes are replicates of each other."""
    asked = planted_record(monkeypatch, Planted(compiles=True))
    found = planted_record(monkeypatch, Planted(compiles=True), facts=False)
    assert found.effective == asked.effective
    assert "conv_output" in found.effective.precision
    assert unexplained(found) == []


def test_what_an_accelerator_allocates_is_asked_in_every_process() -> None:
    """Its libraries choose their algorithms, and so their workspaces, in each."""
    case = structs.replace(LENET, device="cuda")
    # Its clock stands still.
    brief = structs.replace(QUICK, warmup_seconds=0.0, warmup_limit_seconds=0.0)
    job = Job(case=case, protocol=brief, environment=environment.describe(), facts=False)
    found = {metric for _, metric in values(worker.run(job, Small(BATCH))[0])}
    assert {"peak_allocated", "weights"} <= found
    assert not found & {"ledger_peak", "flops", "parameters"}


def test_memory_that_is_what_was_asked_for_comes_without_facts_too() -> None:
    job = Job(case=LENET, protocol=MEMORY_ONLY, environment=environment.describe(), facts=False)
    assert ("forward", "peak_resident") in values(worker.run(job, CPU)[0])


def test_no_figure_is_missing_without_a_word(monkeypatch: pytest.MonkeyPatch, records: Records) -> None:
    for workload in TIMED:
        assert unexplained(records("fp32", workload)) == []
    quick = Job(case=LENET, protocol=QUICK, environment=environment.describe())
    given_up = structs.replace(quick, protocol=structs.replace(QUICK, give_up_seconds=1e-9))
    memory_only = structs.replace(quick, protocol=MEMORY_ONLY)
    assert [unexplained(worker.run(job, CPU)[0]) for job in (given_up, memory_only)] == [[], []]
    assert unexplained(planted_record(monkeypatch, Planted(compiles=True))) == []
    assert unexplained(planted_record(monkeypatch, Planted(replays_graphs=True))) == []


@pytest.mark.parametrize("workload", TIMED)
def test_passes_that_all_fail_leave_a_reason_for_all_that_they_would_have_given(
    monkeypatch: pytest.MonkeyPatch, workload: Workload
) -> None:
    def fail(*given: object) -> None:
        raise ValueError("planted")

    broken = ("memory_measurements", "ledger_measurements", "parameters", "flops_counted", "bytes_moved")
    for name in broken:
        monkeypatch.setattr(passes, name, fail)
    monkeypatch.setattr(EnergyMeter, "measure", fail)
    record = measured(structs.replace(LENET, workload=workload))
    assert record.status == "ok"
    assert unexplained(record) == []
    assert record.absent["flops"].endswith("(FLOPs): ValueError: planted")
    failed = [warning.detail.split(":")[0] for warning in record.warnings if warning.label == "incomplete"]
    assert failed == ["energy", "memory", "ledger", "parameters", "FLOPs", "bytes moved"]
