"""What every device must keep, whatever the package lists; so does the fake one, since tests lean on it."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import NamedTuple

import msgspec
import pytest
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity

from bench import devices
from bench.contracts.device import UNKNOWN, Device
from bench.contracts.monitor import AT_REST, Monitors
from bench.devices import cpu, cuda, mps
from bench.devices.fake import FakeDevice
from bench.plan import suite_plan
from bench.schema import tuning
from bench.schema.case import ARITHMETIC, LAYOUTS, PRECISIONS, Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from models.errors import UserError
from tests.planted.fake_mps import RECOMMENDED_BYTES, FakeMps
from tests.planted.fake_nvml import FakeGpu, FakeNvml
from tests.planted.planted_records import READ_BACK

MB = 10**6
CASE = Case(model="lenet5", image=28, channels=1, classes=10)


def _parameters() -> list[object]:
    listed = [
        pytest.param(device, id=name, marks=[] if device.traits.is_host else [getattr(pytest.mark, name)])
        for name, device in devices.devices().items()
    ]
    return [*listed, pytest.param(FakeDevice(), id="fake"), pytest.param(FakeMps(), id="mps-faked")]


@pytest.fixture(params=_parameters())
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """Every device; those that are not here are skipped. mps also runs over fakes of torch's functions."""
    threads = torch.get_num_threads()
    if isinstance(request.param, FakeMps):
        request.param.install(monkeypatch)
        yield devices.get("mps")
    else:
        yield request.param
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def test_devices_are_known_by_their_names() -> None:
    assert {"cpu", "cuda", "mps"} <= set(devices.devices())
    assert all(device.name == name for name, device in devices.devices().items())
    with pytest.raises(UserError, match="Did you mean 'cuda'"):
        devices.get("cude")


def test_listing_devices_and_asking_whether_they_are_there_needs_no_torch() -> None:
    code = (
        "import sys; from bench import devices; from bench.schema.case import Case\n"
        "for d in devices.devices().values(): d.why_absent(), d.why_unsupported(Case(model='lenet5'))\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", devices.devices())
def test_what_is_missing_is_a_sentence_found_at_once(name: str) -> None:
    device = devices.get(name)
    device.why_absent()
    began = time.perf_counter()
    reason = device.why_absent()
    assert time.perf_counter() - began < 0.1
    assert reason is None or (len(reason) > 10 and "\n" not in reason)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_has_an_answer(device: Device, precision: str) -> None:
    case = msgspec.structs.replace(CASE, precision=precision)
    for reason in (device.why_unsupported(case), device.why_unusable(case)):
        assert reason is None or (len(reason) > 10 and "\n" not in reason)


def test_fp32_is_possible_everywhere(device: Device) -> None:
    assert device.why_unsupported(CASE) is None
    assert device.why_unusable(CASE) is None


def test_what_was_prepared_is_read_back(device: Device) -> None:
    device.prepare(CASE)
    found = device.read_back()
    for part in (found.precision, found.machine):
        assert all(isinstance(key, str) and isinstance(value, str) for key, value in part.items())
    # The flags of a precision differ from those of another one only by what they say.
    device.prepare(CASE)
    assert device.read_back() == found


def test_the_clock_never_goes_back_and_waiting_is_possible(device: Device) -> None:
    times = [device.clock() for _ in range(5)]
    device.synchronise()
    times.append(device.clock())
    assert times == sorted(times)


def test_work_on_the_device_is_timed_by_its_queue(device: Device) -> None:
    queue = device.queue()
    if queue is None:
        return
    queue.occupy(
        0.1
    )  # loads what it needs, and wakes a GPU that has rested: its clock is then near its highest
    queue.synchronise()
    start = queue.record()
    queue.occupy(20e-3)
    end = queue.record()
    began = queue.clock()
    assert not queue.done(end)
    queue.synchronise()
    assert queue.done(end)
    assert 0.7 * 20e-3 < queue.elapsed(start, end) < 2 * 20e-3, (
        "it may last longer, where clocks are held down"
    )
    assert queue.clock() - began > 10e-3, "occupy must not wait for the device"


def test_writing_over_the_l2_is_possible_or_says_why_not(device: Device) -> None:
    reason = device.why_no_flush()
    if reason is not None:
        with pytest.raises(UserError, match=reason):
            device.flush()
        return
    flush = device.flush()
    flush()
    flush()
    device.synchronise()


def test_a_cpu_writes_over_twice_its_last_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[torch.Tensor] = []
    monkeypatch.setattr(cpu, "last_cache_bytes", lambda: 3 * MB)
    monkeypatch.setattr(torch.Tensor, "add_", lambda tensor, one: written.append(tensor))
    devices.get("cpu").flush()()
    assert [(each.nbytes, each.device.type) for each in written] == [(6 * MB, "cpu")]


def test_a_cpu_whose_cache_is_unknown_has_no_cold_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "last_cache_bytes", lambda: None)
    with pytest.raises(UserError, match="kernel does not report the size of the last-level cache"):
        suite_plan.refuse_flush(MeasurementProtocol(flush_l2=True), [CASE])
    suite_plan.refuse_flush(MeasurementProtocol(), [CASE])


def test_cuda_writes_over_twice_its_l2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over planted properties; the buffer stands on the CPU."""
    properties, empty = SimpleNamespace(L2_cache_size=5 * MB), torch.empty
    made: list[torch.Tensor] = []

    def planted_empty(size: int, *, dtype: torch.dtype, device: str) -> torch.Tensor:
        assert device == "cuda:1"
        made.append(empty(size, dtype=dtype).fill_(7))
        return made[-1]

    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch, "empty", planted_empty)
    flush = devices.get("cuda").flush()
    [buffer] = made
    assert (buffer.nbytes, int(buffer.max())) == (10 * MB, 7)
    flush()
    assert int(buffer.max()) == 0


def test_an_allocation_of_known_size_is_in_the_peak(device: Device) -> None:
    size = 200 * MB
    where = device.torch_name()
    torch.ones(size // 4, device=where)  # the allocator's own growth
    baseline = device.memory_baseline()
    device.reset_peak()
    before = device.read_peak()
    block = torch.ones(size // 4, device=where)
    if isinstance(device, FakeDevice):
        device.allocate(size)
        device.allocate(-size)
    del block
    device.synchronise()
    peaks = device.read_peak()
    assert peaks.keys() == before.keys()
    assert all(metric.startswith("peak_") for metric in peaks)
    metric = device.traits.peak_metric
    if not metric:
        assert peaks == {}
        return
    assert peaks[metric] - baseline == pytest.approx(size, rel=0.05)
    device.reset_peak()
    assert device.read_peak()[metric] - baseline < 0.05 * size


def test_other_facts_have_their_types(device: Device) -> None:
    assert torch.zeros(1, device=device.torch_name()).device == torch.device(device.torch_name())
    assert torch.device(device.torch_name()).type == device.torch_type()
    gpu = device.accelerator()
    assert gpu is None or gpu.memory_bytes > 0
    assert all(isinstance(value, int) for value in device.read_memory().values())


def test_traits_say_what_the_device_does(device: Device) -> None:
    traits = device.traits
    assert traits.clocks[0] == ("wall_time" if device.queue() is None else "device_time")
    for precision in PRECISIONS:
        refused = device.why_unsupported(msgspec.structs.replace(CASE, precision=precision))
        assert (refused is None) == (precision in traits.precisions)
    assert set(traits.tunings) <= set(tuning.NAMES)
    assert set(traits.layouts) <= set(LAYOUTS)
    device.reset_peak()
    assert traits.peak_metric in (*device.read_peak(), "")
    assert traits.costs.source
    assert traits.costs.process_seconds > 0
    assert {ARITHMETIC[precision] for precision in traits.precisions} <= traits.costs.flops_per_second.keys()
    if traits.profiler:
        assert traits.profiler in ProfilerActivity.__members__
        assert traits.profiler in DeviceType.__members__


def test_what_watches_and_what_counts_say_what_they_cannot(device: Device) -> None:
    watched = Monitors(device.monitors(threads=1))
    watched.before()
    watched.end()
    assert "steal_share" in {measured.metric for measured in watched.after(AT_REST).measurements}
    source = device.energy_source()
    joules = source.joules()
    assert joules is not None or (source.why_absent and len(source.why_absent) > 10)
    assert device.traits.energy_scope or joules is None, "what is counted must be said"


def test_exactly_one_device_is_the_host_and_it_is_always_here() -> None:
    hosts = [device for device in devices.devices().values() if device.traits.is_host]
    assert hosts == [devices.host()]
    assert devices.host().why_absent() is None
    assert devices.host().accelerator() is None


def test_auto_takes_the_present_device_of_the_highest_preference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda.Cuda, "why_absent", lambda device: None)
    assert devices.auto() == "cuda"
    monkeypatch.setattr(cuda.Cuda, "why_absent", lambda device: "no GPU")
    monkeypatch.setattr(mps.Mps, "why_absent", lambda device: None)
    assert devices.auto() == "cpu", "what nobody tested is taken by name only"


def test_a_device_of_another_version_is_unknown_and_nothing_is_concluded() -> None:
    assert devices.traits("npu") is UNKNOWN
    assert not UNKNOWN.is_host


def test_mps_counts_what_its_tensors_and_what_others_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeMps()
    fake.install(monkeypatch)
    fake.allocated, fake.cached, fake.beside = 5 * MB, 3 * MB, 2 * MB
    device = devices.get("mps")
    assert device.memory_baseline() == 5 * MB
    assert device.free_memory() == RECOMMENDED_BYTES - 10 * MB
    assert device.read_memory() == {"driver_other": 2 * MB}
    assert device.free_memory() == RECOMMENDED_BYTES - 7 * MB, "the cache was given back"


@pytest.mark.parametrize(
    ("macos", "precision", "refused"),
    [
        ((13, 3), "bf16", True),
        ((13, 3), "amp-bf16", True),
        ((13, 3), "fp16", False),
        ((14, 0), "bf16", False),
    ],
)
def test_mps_has_bf16_from_macos_14_on(
    monkeypatch: pytest.MonkeyPatch, macos: tuple[int, int], precision: str, refused: bool
) -> None:
    fake = FakeMps()
    fake.macos = macos
    fake.install(monkeypatch)
    reason = devices.get("mps").why_unusable(msgspec.structs.replace(CASE, precision=precision))
    assert (reason is not None and "macOS 14" in reason) == refused


def test_mps_is_refused_where_there_is_no_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    reason = devices.get("mps").why_absent()
    assert reason is not None
    assert "MPS is part of macOS" in reason


def test_mps_says_that_nobody_has_tested_it() -> None:
    assert "untested on hardware" in devices.traits("mps").caveat
    assert "Untested on hardware" in (mps.__doc__ or "")


class Nvml:
    """A driver that lists one GPU."""

    NVMLError = RuntimeError

    def nvmlInit(self) -> None:  # noqa: N802
        return None

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 1


@pytest.mark.parametrize(
    ("visible", "version", "reason"),
    [
        (None, "2.11.0", None),
        ("0", "2.11.0", None),
        ("GPU-1111", "2.11.0+cu130", None),
        ("", "2.11.0", "no CUDA GPU is visible"),
        ("-1", "2.11.0", "no CUDA GPU is visible"),
        ("-1,0", "2.11.0", "no CUDA GPU is visible"),
        (None, "2.11.0+cpu", "is a build without CUDA"),
    ],
)
def test_a_gpu_that_the_driver_lists_may_be_hidden_or_of_no_use_to_torch(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, version: str, reason: str | None
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = devices.get("cuda").why_absent()
    assert found is None if reason is None else found is not None and reason in found


@pytest.mark.parametrize(
    ("gpu", "reason"),
    [
        (FakeGpu(pids=[4_000_000]), None),  # the host's number of this process, from inside a container
        (FakeGpu(pids=[]), None),
        (FakeGpu(pids=[1, 2]), "2 processes compute and 0 draw on the GPU"),
        (FakeGpu(pids=[1], graphics=[3]), "1 processes compute and 1 draw on the GPU"),
        (FakeGpu(pids="Not Supported"), "NVML does not say who uses the GPU: Not Supported"),
    ],
)
def test_the_drivers_memory_is_ours_where_one_process_uses_the_gpu(
    monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu, reason: str | None
) -> None:
    """8 GB of which 5 are free, and torch has reserved 2: one is the context's and the libraries'."""
    monkeypatch.setattr(cuda, "open_nvml", _opened(gpu))
    monkeypatch.setattr(cuda.Cuda, "uuid", lambda device: "1111")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (5 * MB, 8 * MB))
    monkeypatch.setattr(torch.cuda, "memory_stats", dict)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 2 * MB)
    facts = devices.get("cuda").read_memory()
    assert facts == {"allocation_retries": 0} | ({} if reason else {"driver_other": MB})
    assert devices.get("cuda").warnings() == ([CaseWarning("no-driver-other", reason)] if reason else [])


class Properties(NamedTuple):
    """Of the second of two equal GPUs, as torch names them."""

    uuid: str
    name: str = "NVIDIA H100"
    total_memory: int = 80 * MB
    major: int = 9
    minor: int = 0


def test_the_gpu_of_a_record_is_the_current_one_and_not_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = (FakeGpu("GPU-1111"), FakeGpu("GPU-2222", number=1, limit=350.0, temperature="Not Supported"))
    monkeypatch.setattr(cuda, "open_nvml", lambda: FakeNvml(twins))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    properties = [Properties("1111"), Properties("2222")]
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties[index])
    gpu, readings = cuda.DEVICE.accelerator(), cuda.DEVICE.accelerator_readings()
    assert (gpu.name, gpu.capability, gpu.driver) == ("NVIDIA H100", "9.0", "580.65.06")
    assert (gpu.uuid, gpu.power_limit_watts) == ("GPU-2222", 350.0)
    assert (readings.index, readings.absent["temperature_celsius"]) == (1, "Not Supported")


def test_the_name_for_torch_is_that_of_the_current_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live module may lie on any of them."""
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert cuda.DEVICE.torch_name() == "cuda:1"


@pytest.mark.parametrize(
    ("name", "value", "warned"),
    [
        ("CUDA_LAUNCH_BLOCKING", "1", True),
        ("CUDA_LAUNCH_BLOCKING", "0", False),
        ("PYTORCH_NO_CUDA_MEMORY_CACHING", "1", True),
        ("PYTORCH_NO_CUDA_MEMORY_CACHING", "0", True),
        ("OMP_NUM_THREADS", "1", False),
    ],
)
def test_a_variable_that_slows_cuda_down_is_in_the_record(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, warned: bool
) -> None:
    """torch looks whether the second is set, whatever it says."""
    monkeypatch.setattr(cuda, "open_nvml", _opened(FakeGpu()))
    monkeypatch.setattr(cuda.Cuda, "uuid", lambda device: "1111")
    monkeypatch.setenv(name, value)
    labels = devices.get("cuda").warnings()
    assert [label.label for label in labels] == (["slow-cuda"] if warned else [])
    assert all(label.detail.startswith(f"{name}={value}: every ") for label in labels)


def test_where_cublas_may_add_up_in_less_than_fp32_is_read_back() -> None:
    products = torch.backends.cuda.matmul
    assert devices.get("cuda").read_back().precision["reduced_sums"] == "fp16+bf16", "torch's own default"
    products.allow_bf16_reduced_precision_reduction = False
    try:
        assert devices.get("cuda").read_back().precision["reduced_sums"] == "fp16"
    finally:
        products.allow_bf16_reduced_precision_reduction = True


def _opened(gpu: FakeGpu) -> Callable[[], FakeNvml]:
    """A driver whose only instance is a MIG one, which torch names without the prefix."""
    return lambda: FakeNvml((), {"MIG-1111": gpu})


class Event(NamedTuple):
    device_type: DeviceType
    self_device_time_total: float
    is_user_annotation: bool = False


class Trace:
    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def key_averages(self) -> list[Event]:
        return self._events


OPERATOR = Event(DeviceType.CPU, 70.0)
ANNOTATION = Event(DeviceType.CUDA, 90.0, is_user_annotation=True)


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        ([OPERATOR, Event(DeviceType.CUDA, 30.0), Event(DeviceType.CUDA, 40.0), ANNOTATION], 70e-6),
        ([OPERATOR, ANNOTATION], None),
        ([], None),
        (None, None),
    ],
)
def test_busy_seconds_are_the_kernels_and_none_where_the_profiler_sees_none(
    monkeypatch: pytest.MonkeyPatch, events: list[Event] | None, seconds: float | None
) -> None:
    """Without events at all the profiler raises, as it does where CUPTI may not be used."""

    def profile(activities: object) -> Trace:
        if events is None:
            raise RuntimeError("CUPTI_ERROR_INSUFFICIENT_PRIVILEGES")
        return Trace(events)

    monkeypatch.setattr(torch.profiler, "profile", profile)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    assert cuda.Cuda().queue().busy_seconds(lambda: None) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [None, "0"])
def test_the_override_of_tf32_is_read_back(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    if value is not None:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", value)
    assert devices.get("cuda").read_back().precision.get("nvidia_tf32_override") == value


def test_planted_records_read_back_what_the_devices_do(device: Device) -> None:
    """The same keys, and of the precision the same values: reports are tested over planted records."""
    if device.name not in READ_BACK:
        return
    device.prepare(CASE)
    planted, found = READ_BACK[device.name], device.read_back()
    assert (found.precision.keys(), found.machine.keys()) == (
        planted.precision.keys(),
        planted.machine.keys(),
    )
    assert {key: found.precision[key] for key in ("conv", "matmul")} == {
        key: planted.precision[key] for key in ("conv", "matmul")
    }


@pytest.mark.parametrize("threads", [1, 2])
def test_the_processor_gets_its_threads(threads: int) -> None:
    before = torch.get_num_threads()
    try:
        devices.get("cpu").prepare(msgspec.structs.replace(CASE, threads=threads))
        assert devices.get("cpu").read_back().machine["threads"] == str(threads)
        tiny = torch.tensor([1e-40], dtype=torch.float32)
        assert (tiny * 1.0).item() == 0.0, "denormal numbers must be flushed"
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)


@pytest.mark.cuda
@pytest.mark.parametrize(("precision", "flag"), [("fp32", "ieee"), ("tf32", "tf32"), ("amp-bf16", "ieee")])
def test_tf32_is_on_only_where_it_was_asked_for(precision: str, flag: str) -> None:
    """By the flags and by the products: TF32 has 10 bits of mantissa, 1 + 2^-12 is not one of its numbers."""
    device = devices.get("cuda")
    case = msgspec.structs.replace(CASE, device="cuda", precision=precision)
    if device.why_unusable(case):
        pytest.skip("the GPU has no TF32")
    device.prepare(case)
    found = device.read_back().precision
    assert (found["matmul"], found["conv"]) == (flag, flag)
    a = torch.full((1024, 1024), 1 + 2**-12, device="cuda")
    product = (a @ torch.eye(1024, device="cuda"))[0, 0].item()
    assert (product == 1 + 2**-12) == (flag == "ieee")
