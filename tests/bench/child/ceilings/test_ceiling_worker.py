"""Ceilings: what each product has to do against other counts, and planted times through the worker."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from bench import devices
from bench.child.ceilings import ceiling_worker, products
from bench.child.ceilings.ceiling_worker import SUSTAINED
from bench.contracts.device import Scale
from bench.contracts.monitor import WindowReadings, Work
from bench.devices.fake import FakeDevice
from bench.entry import PRELOAD, QUESTIONS
from bench.host import environment
from bench.plan import ceiling_cases, estimate, expand, feasibility
from bench.runner import preload
from bench.schema import job
from bench.schema.case import PRECISIONS, Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.ceiling_product import Convolution, Copy, MatrixProduct, Product, product_name
from bench.schema.job import Job, JobResult
from bench.schema.record import Measurement, Record
from models import catalogue
from models.closed_form import cost

pytestmark = pytest.mark.slow

FP32 = ceiling_cases.case("cpu", "fp32", 1)
GIB = 2**30
SMALL: tuple[MatrixProduct | Convolution, ...] = (
    MatrixProduct(6, 5, 7),
    Convolution(4, 9, 2, "nchw"),
    Convolution(4, 9, 2, "channels-last"),
)


class Seen(TorchDispatchMode):
    """The tensors that went into operators, by the operators' names."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.inputs: dict[str, list[torch.Tensor]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        tensors = [each for each in args if isinstance(each, torch.Tensor)]
        self.inputs.setdefault(func.overloadpacket.__name__, []).extend(tensors)
        return func(*args, **(kwargs or {}))


def seen(product: Product, case: Case = FP32) -> dict[str, list[torch.Tensor]]:
    call, mode = ceiling_worker.call_of(product, case, "cpu"), Seen()
    with torch.no_grad(), mode:
        call()
    return mode.inputs


# What a product has to do


@pytest.mark.parametrize("product", SMALL, ids=product_name)
def test_flops_are_those_that_torch_counts(product: MatrixProduct | Convolution) -> None:
    call = ceiling_worker.call_of(product, FP32, "cpu")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    assert product.flops == counter.get_total_flops() > 0


def test_flops_of_the_largest_are_the_closed_form() -> None:
    assert MatrixProduct(8192, 8192, 8192).flops == 2 * 8192**3 == 1_099_511_627_776
    assert Convolution(64, 224, 8, "nchw").flops == 8 * 2 * 1_849_688_064  # MACs of VGG's second layer


def test_the_convolutions_are_those_of_vgg() -> None:
    """Each stage's widest is a layer of VGG-16, by its MACs."""
    layers = cost(catalogue.MODELS["vgg16"], channels=3, image=224, classes=1000, batch=1).layers
    macs = {layer.macs for layer in layers}
    convolutions = [p for p in products.products("small", 64 * GIB) if isinstance(p, Convolution)]
    assert len({(p.channels, p.side) for p in convolutions}) == 5
    assert all(p.flops // (2 * p.batch) in macs for p in convolutions)


def test_bytes_of_a_copy_are_those_of_both_tensors() -> None:
    copy = Copy(2**20)
    target, source = seen(copy)["copy_"]
    assert target.data_ptr() != source.data_ptr()
    assert copy.bytes_moved == sum(t.numel() * t.element_size() for t in (target, source)) == 2**21


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_a_product_is_made_in_its_dtype_and_layout(precision: Any, dtype: torch.dtype) -> None:
    case = ceiling_cases.case("cpu", precision, 1)
    assert {tensor.dtype for tensor in seen(SMALL[0], case)["mm"]} == {dtype}
    for product in SMALL[1:]:
        assert isinstance(product, Convolution)
        images, filters = seen(product, case)["convolution"][:2]
        last = product.layout == "channels-last"
        for tensor in (images, filters):
            assert tensor.dtype == dtype
            assert tensor.is_contiguous(memory_format=torch.channels_last) == last
            assert tensor.is_contiguous() != last


def test_operands_are_random_and_a_copy_reads_memory_that_was_written() -> None:
    for product in SMALL:
        operands = next(iter(seen(product).values()))
        assert all(tensor.unique().numel() > tensor.numel() / 2 for tensor in operands)
    assert seen(Copy(2**12))["copy_"][1].unique().numel() == 2**10


@pytest.mark.parametrize("scale", ["small", "large"])
def test_what_is_measured_on_a_device(scale: Scale) -> None:
    found = products.products(scale, 80 * GIB)
    names = [product_name(product) for product in found]
    assert len(set(names)) == len(names)
    assert found[0] == Copy(GIB)
    counted = [product.flops for product in found[1:] if not isinstance(product, Copy)]
    assert counted == sorted(counted)
    stages = {(p.channels, p.side, p.layout) for p in found if isinstance(p, Convolution)}
    assert len(stages) == 10
    largest = {"small": "matmul:4096x4096x4096", "large": "matmul:8192x8192x8192"}[scale]
    assert largest in names


def test_a_copy_leaves_a_small_machine_its_memory() -> None:
    assert products.products("small", 2 * GIB)[0] == Copy(GIB // 4)
    assert product_name(products.products("small", 2 * GIB)[0]) == "copy:0.25GiB"


# Which cases a plan needs


def test_each_arithmetic_is_measured_once_on_each_device() -> None:
    planned = [
        Case(model="vgg11", device="cuda", precision="amp-bf16", threads=2),
        Case(model="vgg11", device="cuda", precision="bf16", threads=4),
        Case(model="vgg16", device="cuda", precision="tf32", threads=2),
        Case(model="vgg16", precision="fp32", threads=2),
        Case(model="vgg16", precision="amp-fp16", threads=4),
        Case(model="vgg16", precision="fp16", threads=2),
    ]
    found = [(case.device, case.precision, case.threads) for case in ceiling_cases.needed(planned)]
    assert found == [
        ("cuda", "bf16", 2),
        ("cuda", "tf32", 2),
        ("cpu", "fp32", 2),
        ("cpu", "fp16", 4),
        ("cpu", "fp16", 2),
    ]
    assert {case.workload for case in ceiling_cases.needed(planned)} == {"ceiling"}


def test_a_plan_has_no_ceiling_for_what_is_impossible() -> None:
    planned = [Case(model="lenet5", precision="tf32"), Case(model="lenet5")]
    assert expand.with_ceilings(planned) == [ceiling_cases.case("cpu", "fp32", 1), *planned]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_ceiling_is_planned_like_any_case(precision: Any) -> None:
    case = ceiling_cases.case("cpu", precision, 2)
    assert (feasibility.why_impossible(case) is not None) == (precision == "tf32")
    assert 0 < estimate.estimate_seconds([case], MeasurementProtocol()) < 60


# Planted times through the worker

PLANTED: dict[Product, float] = {
    MatrixProduct(100, 100, 100): 2e-3,  # 1 GFLOP/s
    Convolution(10, 10, 1, "nchw"): 1e-3,  # 180 kFLOP: 0.18 GFLOP/s
    Copy(2**20): 4e-3,
}


def record_of(
    monkeypatch: pytest.MonkeyPatch,
    device: FakeDevice,
    found: Mapping[Product, float | Exception],
    call_of: Callable[[Product, Case, str], Callable[[], None]] | None = None,
) -> Record:
    """What the worker makes of products that take so long on the device, or fail."""

    def planted(product: Product, case: Case, where: str) -> Callable[[], None]:
        seconds = found[product]
        if isinstance(seconds, Exception):
            raise seconds
        return lambda: device.launch(1e-6, seconds)

    monkeypatch.setattr(ceiling_worker, "products", lambda name, memory_bytes: list(found))
    monkeypatch.setattr(ceiling_worker, "call_of", call_of or planted)
    asked = Job(
        case=FP32, protocol=MeasurementProtocol(time_limit_seconds=77), environment=environment.describe()
    )
    return ceiling_worker.run(asked, device)


def figures(record: Record) -> dict[tuple[Product | None, str], float]:
    found = {(m.product, m.metric): statistics.median(m.samples) for m in record.measurements}
    assert {m.phase for m in record.measurements} <= {"product"}
    assert len(found) == len(record.measurements), "a metric of a product stands twice"
    return found


def test_planted_times_become_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_of(monkeypatch, FakeDevice(), PLANTED)
    assert (record.status, record.reason, record.warnings, record.absent) == ("ok", None, [], {})
    assert record.protocol.time_limit_seconds == 77
    found = figures(record)
    for product, seconds in PLANTED.items():
        assert found[product, "device_time"] == pytest.approx(seconds)
        assert found[product, "wall_time"] == pytest.approx(seconds, rel=0.01)
    matmul, conv, copy = PLANTED
    assert found[matmul, "flops"] / found[matmul, "device_time"] == pytest.approx(1e9)
    assert found[conv, "flops"] / found[conv, "device_time"] == pytest.approx(0.18e9)
    assert found[copy, "bytes_moved"] / found[copy, "device_time"] == pytest.approx(2**21 / 4e-3)
    assert (copy, "flops") not in found


MATRICES = tuple(MatrixProduct(100, 100, size) for size in (60, 70, 80, 90, 100))


def counted_windows(monkeypatch: pytest.MonkeyPatch, device: FakeDevice) -> int:
    """Of a copy and five products, each faster than the one before."""
    watching = Watching()
    monkeypatch.setattr(ceiling_worker, "monitor_of", lambda case, device: watching)
    record = record_of(monkeypatch, device, {Copy(2**20): 4e-3, **dict.fromkeys(MATRICES, 2e-3)})
    assert {product for product, _ in figures(record)} == {Copy(2**20), *MATRICES}
    assert "host_time" not in {metric for _, metric in figures(record)}
    return watching.windows


def test_a_product_has_a_window_of_each_useful_clock_and_the_three_fastest_have_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert counted_windows(monkeypatch, FakeDevice()) == 2 * (6 + 3)
    assert counted_windows(monkeypatch, FakeDevice(asynchronous=False)) == 6


def test_a_gpu_is_warmed_up_by_the_copy_and_for_the_fastest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeDevice()
    counted_windows(monkeypatch, device)
    warm_up, windows_of_one = SUSTAINED.warmup_limit_seconds, 0.2
    assert device.now < (1 + 3) * (warm_up + windows_of_one) + 5 * windows_of_one


def test_a_ceiling_is_what_sustained_work_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """All products are 1.3 times as fast in their first quarter of a second; the copy before is no product.

    Briefly five products differ by 4% from the next, so that three sustained ones would not hold the others
    down.
    """
    device = FakeDevice()
    began: dict[Product, float] = {}
    seconds: dict[Product, float] = {Copy(2**20): 4e-3}

    def call_of(product: Product, case: Case, where: str) -> Callable[[], None]:
        began[product] = device.now

        def call() -> None:
            cool = device.now - began[product] < 0.25
            device.launch(1e-6, seconds[product] / (1.3 if cool else 1.0))

        return call

    seconds |= {product: product.flops / (1e9 * 1.04**index) for index, product in enumerate(MATRICES)}
    record = record_of(monkeypatch, device, dict(seconds), call_of)
    times = figures(record)
    rates = {product: product.flops / times[product, "device_time"] for product in MATRICES}
    assert max(rates.values()) == pytest.approx(1e9 * 1.04**4, rel=0.01)


def test_a_product_that_is_spoiled_under_sustained_work_is_no_ceiling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watching = Watching(CaseWarning("slowdown", "too hot"), from_window=5)
    monkeypatch.setattr(ceiling_worker, "monitor_of", lambda case, device: watching)
    record = record_of(monkeypatch, FakeDevice(), {Copy(2**20): 4e-3, MATRICES[0]: 2e-3})
    assert {product for product, _ in figures(record)} == {Copy(2**20)}
    assert "too hot" in record.warnings[0].detail


def test_a_device_that_is_waited_for_has_wall_times_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures(record_of(monkeypatch, FakeDevice(asynchronous=False), PLANTED))
    assert found[MatrixProduct(100, 100, 100), "wall_time"] == pytest.approx(2e-3, rel=0.01)
    assert (MatrixProduct(100, 100, 100), "device_time") not in found


def test_what_fails_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = MatrixProduct(1, 1, 1)
    found: dict[Product, float | Exception] = {
        broken: torch.OutOfMemoryError("tried to allocate 9 GiB"),
        **PLANTED,
    }
    record = record_of(monkeypatch, FakeDevice(), found)
    assert record.status == "ok"
    assert record.warnings == [
        CaseWarning("incomplete", "matmul:1x1x1: OutOfMemoryError: tried to allocate 9 GiB")
    ]
    assert {product for product, _ in figures(record)} == set(PLANTED)


def test_where_all_fail_there_is_no_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_of(monkeypatch, FakeDevice(), {Copy(GIB): RuntimeError("no memory\nat all")})
    assert record.status == "invalid"
    assert record.reason == "incomplete: copy:1GiB: RuntimeError: no memory at all"


def test_what_would_take_too_long_is_left_to_faster_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, fits, long = MatrixProduct(10, 10, 10), MatrixProduct(100, 100, 90), MatrixProduct(100, 100, 110)
    # 2,000 FLOP in 0.2 ms: 10 MFLOP/s, with which `fits` needs 0.18 s and `long` 0.22 s
    record = record_of(monkeypatch, FakeDevice(), {fast: 2e-4, fits: 0.2, long: 0.2})
    assert {product for product, _ in figures(record)} == {fast, fits}
    assert record.absent == {
        "products": f"more than 0.2 s at the best rate before them: {product_name(long)}"
    }


class Watching:
    """Sees a clock that falls with each window, and the given reason against windows from this one on."""

    def __init__(self, slowdown: CaseWarning | None = None, from_window: int = 1) -> None:
        self._clock, self._slowdown, self._from = 2000.0, slowdown, from_window
        self.windows = 0

    def before(self) -> None:
        self.windows += 1
        self._clock -= 100

    def end(self) -> None:
        pass

    def after(self, work: Work) -> WindowReadings:
        clock = Measurement(phase="window", metric="sm_clock", unit="MHz", samples=[self._clock])
        labels = (CaseWarning("power-cap", "the GPU ran at its power limit"),)
        slowdown = self._slowdown if self.windows >= self._from else None
        return WindowReadings((clock,), labels, disturbed=slowdown, usable=slowdown is None)


def test_the_clocks_stand_beside_the_product_that_they_were_seen_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling_worker, "monitor_of", lambda case, device: Watching())
    record = record_of(monkeypatch, FakeDevice(asynchronous=False), PLANTED)
    found = figures(record)
    assert [found[product, "sm_clock"] for product in PLANTED] == [1900, 1800, 1700]
    names = ", ".join(map(product_name, PLANTED))
    assert record.warnings == [CaseWarning("power-cap", f"the GPU ran at its power limit ({names})")]


def test_a_product_under_a_slowdown_is_no_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ceiling_worker, "monitor_of", lambda case, device: Watching(CaseWarning("slowdown", "too hot"))
    )
    record = record_of(monkeypatch, FakeDevice(), {Copy(GIB): 1e-3})
    assert record.status == "invalid"
    assert record.reason == "incomplete: copy:1GiB: RuntimeError: slowdown: too hot"


def test_the_childs_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ceiling_worker, "products", lambda name, memory_bytes: [MatrixProduct(64, 64, 64), *SMALL]
    )
    asked = Job(case=FP32, protocol=MeasurementProtocol(), environment=environment.describe())
    answer = msgspec.json.decode(ceiling_worker.measure_ceilings(msgspec.json.encode(asked)), type=JobResult)
    assert answer.record.status == "ok"
    assert answer.record.effective.precision["weights"] == "float32"
    assert answer.record.effective.precision["matmul"] == "ieee"
    assert all(
        ("wall_time" in {m.metric for m in answer.record.measurements if m.product == p}) for p in SMALL
    )


def test_the_entry_is_imported_once_by_a_server_that_needs_it() -> None:
    module, _, name = QUESTIONS[job.CEILINGS].partition(":")
    assert (module, getattr(ceiling_worker, name)) == (
        ceiling_worker.__name__,
        ceiling_worker.measure_ceilings,
    )
    assert module in [module for kind in preload.preload([FP32]) for module in PRELOAD[kind]]
    assert module not in [
        module for kind in preload.preload([Case(model="lenet5")]) for module in PRELOAD[kind]
    ]


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_on_a_gpu(precision: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """fp32 is IEEE: at 2^-13 beside 1, which tf32 has not, a product is exact. A small product may not run on
    tensor cores, and is then exact under tf32 too."""
    device = devices.get("cuda")
    case = ceiling_cases.case("cuda", precision, 1)
    monkeypatch.setattr(
        ceiling_worker, "products", lambda name, memory: [Copy(2**28), MatrixProduct(2048, 2048, 2048)]
    )
    asked = Job(case=case, protocol=MeasurementProtocol(), environment=environment.describe())
    record = ceiling_worker.run(asked, device)
    found = figures(record)
    assert (
        record.effective.precision["matmul"]
        == record.effective.precision["conv"]
        == ("tf32" if precision == "tf32" else "ieee")
    )
    assert {"device_time", "wall_time"} <= {
        metric for product, metric in found if isinstance(product, MatrixProduct)
    }
    value = torch.full((1024, 1024), 1 + 2**-13, device="cuda")
    exact = bool((value @ torch.eye(1024, device="cuda") == value).all())
    assert exact == (precision != "tf32")
