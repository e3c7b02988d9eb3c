"""In the child: a ceiling case becomes a record, each product timed as a network's step is, but shortly."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec
import torch
import torch.nn.functional as F
from msgspec import structs

from bench import devices
from bench.child.ceilings.products import products
from bench.child.collected import Collected, Pass
from bench.child.passes import monitor_of
from bench.contracts.device import Device
from bench.contracts.monitor import WindowReadings
from bench.contracts.steps import Call, Steps
from bench.forkserver.stopwatch import Stopwatch
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning, in_words
from bench.schema.ceiling_product import Convolution, Copy, MatrixProduct, Product, product_name
from bench.schema.job import Job, JobResult, encode
from bench.schema.record import Measurement, Record, single
from bench.tensors import POLICIES, memory_format, weight_dtype
from bench.timing import latency, windows

SHORT = MeasurementProtocol(
    warmup_steps=1,
    warmup_seconds=0.05,
    warmup_limit_seconds=0.1,
    min_samples=3,
    max_samples=200,
    sampling_seconds=0.1,
    energy_seconds=0,
)
"""Two dozen products in seconds: a ceiling is the best of many, and need not be known to the percent."""
BRIEF = structs.replace(SHORT, warmup_seconds=0, warmup_limit_seconds=0)
"""For a GPU that works already, since the copy comes first: a step is enough to choose a kernel in."""
SUSTAINED = structs.replace(SHORT, warmup_seconds=0.5, warmup_limit_seconds=1.0, sampling_seconds=0.5)
"""For a GPU, whose clocks fall within tenths of a second when it works at its power limit: a network that is
timed for seconds would stand under a ceiling that nothing holds."""
FEWEST_SUSTAINED = 3
"""So many of the fastest products are timed sustained: briefly the best may look like the second."""
MOST_SECONDS = 0.2
"""A product that takes longer at the best rate so far is left out: it is there for faster machines."""


def measure_ceilings(argument: bytes) -> bytes:
    """The child's entry: an encoded Job in, an encoded Finished out."""
    job = msgspec.json.decode(argument, type=Job)
    first_step_at = time.monotonic()
    watch = Stopwatch()
    with watch.on("measuring"):
        record = run(job, devices.get(job.case.device))
    record = structs.replace(record, spent=watch.read())
    return encode(JobResult(record=record, first_step_at=first_step_at))


def run(job: Job, device: Device) -> Record:
    """Time all products of a device in the arithmetic of the case's precision.

    One that cannot be measured is left out, and a warning says why; where none can, the record is invalid.
    Those that would take too long are named in `absent`. The record's protocol is that of the products that
    a ceiling may come from: on a GPU the copy and the fastest, `SUSTAINED`.
    """
    case = job.case
    limit = job.protocol.time_limit_seconds
    protocol = structs.replace(SHORT if device.queue() is None else SUSTAINED, time_limit_seconds=limit)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    device.prepare(case)
    torch.manual_seed(case.seed)
    gpu = device.accelerator()
    memory = gpu.memory_bytes if gpu else job.environment.memory_bytes
    timed = _TimedProducts(case, device, protocol)
    timed.measure_all(products(device.traits.scale, memory))
    read, weights = device.read_back(), {"weights": POLICIES[case.precision].weights}
    return Record(
        case=case,
        protocol=protocol,
        status="ok" if timed.measured else "invalid",
        reason=None if timed.measured else "; ".join(map(in_words, timed.incomplete)),
        measurements=timed.measurements(),
        environment=structs.replace(job.environment, gpu=gpu),
        gpu_readings=device.accelerator_readings(),
        effective=structs.replace(read, precision={**read.precision, **weights}),
        absent=_absent(timed.too_long),
        warnings=timed.incomplete + windows.merge_labels(timed.readings),
        started_at=started_at,
    )


class _TimedProducts:
    """The times of products on a device.

    measured    of each product that could be measured
    readings    what was seen in the window of the device's own clock, by the product's name
    incomplete  why a product could not be measured
    too_long    names of the products that would take too long
    """

    def __init__(self, case: Case, device: Device, protocol: MeasurementProtocol) -> None:
        self._case, self._device, self._protocol = case, device, protocol
        self._monitor = monitor_of(case, device)
        self._order: list[Product] = []
        self.measured: dict[Product, list[Measurement]] = {}
        self.readings: dict[str, WindowReadings] = {}
        self.incomplete: list[CaseWarning] = []
        self.too_long: list[str] = []

    def measurements(self) -> list[Measurement]:
        """Of all products, in the order in which they were given."""
        return [found for product in self._order for found in self.measured.get(product, ())]

    def measure_all(self, found: Sequence[Product]) -> None:
        """Each product; on a GPU briefly, and then the fastest again under sustained work."""
        self._order = list(found)
        queued = self._device.queue() is not None
        limit = self._protocol.time_limit_seconds
        brief = structs.replace(BRIEF, time_limit_seconds=limit) if queued else self._protocol
        for product in found:
            if self._takes_too_long(product):
                self.too_long.append(product_name(product))
            else:
                self._measure(product, self._protocol if isinstance(product, Copy) else brief)
        if queued:
            self._sustain()

    def _sustain(self) -> None:
        """The fastest again, and the next until none that was met briefly is faster than all sustained: a
        ceiling must come from sustained work."""
        sustained: set[Product] = set()
        while brief := [product for product in self._rates() if product not in sustained]:
            rates = self._rates()
            fastest = max(brief, key=rates.__getitem__)
            held = max((rates[product] for product in sustained if product in rates), default=0.0)
            if len(sustained) >= FEWEST_SUSTAINED and rates[fastest] <= held:
                return
            sustained.add(fastest)
            self._measure(fastest, self._protocol)

    def _rates(self) -> dict[Product, float]:
        """FLOP/s of each product by the best clock that timed it."""
        rates: dict[Product, float] = {}
        for product, found in self.measured.items():
            times = {each.metric: each.samples for each in found if not each.disturbed}
            clock = next((clock for clock in self._device.traits.clocks if clock in times), None)
            if not isinstance(product, Copy) and clock is not None:
                rates[product] = product.flops / statistics.median(times[clock])
        return rates

    def _takes_too_long(self, product: Product) -> bool:
        """Whether a product would at the best rate among those measured."""
        rates = self._rates()
        return (
            not isinstance(product, Copy)
            and bool(rates)
            and (product.flops / max(rates.values()) > MOST_SECONDS)
        )

    def _measure(self, product: Product, protocol: MeasurementProtocol) -> None:
        """In the place of what was measured of it before."""
        self.measured.pop(product, None)
        self.readings.pop(product_name(product), None)
        timing = partial(self._timed, product, protocol)
        found = Collected(warnings=self.incomplete)
        found.attempt(Pass(product_name(product), (), timing))
        if found.measurements:
            self.measured[product] = found.measurements

    def _timed(self, product: Product, protocol: MeasurementProtocol) -> list[Measurement]:
        """What a product has to do, its times, and the clocks meanwhile. RuntimeError where no window may be
        used."""
        with torch.no_grad():
            steps = _steps(call_of(product, self._case, self._device.torch_name()))
            timed = latency.time_steps(steps, self._device, protocol, self._monitor, host_time=False)
        if timed.invalid is not None:
            raise RuntimeError(timed.invalid)
        self.readings[product_name(product)] = next(iter(timed.windows.values()))
        work = (
            single("product", "bytes_moved", product.bytes_moved, "bytes")
            if isinstance(product, Copy)
            else single("product", "flops", product.flops, "FLOP")
        )
        return [
            structs.replace(measurement, phase="product", product=product)
            for measurement in (work, *timed.measurements)
        ]


def _absent(too_long: Sequence[str]) -> dict[str, str]:
    if not too_long:
        return {}
    return {"products": f"more than {MOST_SECONDS:g} s at the best rate before them: {', '.join(too_long)}"}


def _steps(call: Call) -> Steps:
    return Steps(
        setup=lambda: None,
        step=call,
        whole_phase="product",
        phases=(),
        synchronises=False,
        why_invalid=lambda: None,
        warnings=list,
        tensors=dict,
    )


def call_of(product: Product, case: Case, where: str) -> Call:
    """The product in the case's dtype, on random operands on a torch device, ready to be repeated."""
    random = partial(torch.randn, dtype=weight_dtype(case.precision), device=where)
    match product:
        case MatrixProduct(m, n, k):
            left, weights, result = random(m, k), random(n, k), random(m, n)
            return lambda: _run(torch.mm(left, weights.t(), out=result))
        case Convolution(channels, side, batch, layout, kernel):
            stored = memory_format(structs.replace(case, layout=layout))
            images = random(batch, channels, side, side).to(memory_format=stored)
            filters = random(channels, channels, kernel, kernel).to(memory_format=stored)
            return lambda: _run(F.conv2d(images, filters, padding=kernel // 2))
        case Copy(size):
            # Memory that was never written is one page of zeros, and reading it moves nothing.
            source = torch.arange(size // 4, dtype=torch.int32, device=where)
            target = torch.empty_like(source)
            return lambda: _run(target.copy_(source))


def _run(result: torch.Tensor) -> None:
    """Forgets the result: a call gives nothing back."""
