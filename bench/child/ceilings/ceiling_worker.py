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
from bench.child.passes import monitor_of, optional_pass
from bench.contracts.device import Device
from bench.contracts.monitor import Monitor, WindowReadings
from bench.contracts.steps import Call, Steps
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
SUSTAINED = structs.replace(SHORT, warmup_seconds=0.5, warmup_limit_seconds=1.0, sampling_seconds=0.5)
"""For a GPU, whose clocks fall within tenths of a second when it works at its power limit: a network that is
timed for seconds would stand under a ceiling that nothing holds."""
MOST_SECONDS = 0.2
"""A product that takes longer at the best rate so far is left out: it is there for faster machines."""


def measure_ceilings(argument: bytes) -> bytes:
    """The child's entry: an encoded Job in, an encoded Finished out."""
    job = msgspec.json.decode(argument, type=Job)
    first_step_at = time.monotonic()
    record = run(job, devices.get(job.case.device))
    return encode(JobResult(record=record, first_step_at=first_step_at))


def run(job: Job, device: Device) -> Record:
    """Time all products of a device in the arithmetic of the case's precision.

    One that cannot be measured is left out, and a warning says why; where none can, the record is invalid.
    Those that would take too long are named in `absent`.
    """
    case = job.case
    short = SHORT if device.queue() is None else SUSTAINED
    protocol = structs.replace(short, time_limit_seconds=job.protocol.time_limit_seconds)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    device.prepare(case)
    torch.manual_seed(case.seed)
    monitor = monitor_of(case, device)
    gpu = device.accelerator()
    measured: list[Measurement] = []
    incomplete: list[CaseWarning] = []
    too_long: list[str] = []
    watched: dict[str, WindowReadings] = {}
    for product in products(device.traits.scale, gpu.memory_bytes if gpu else job.environment.memory_bytes):
        if _takes_too_long(product, measured):
            too_long.append(product_name(product))
            continue
        timing = partial(_measure, product, case, device, protocol, monitor, watched)
        measured += optional_pass(product_name(product), timing, incomplete)
    read, weights = device.read_back(), {"weights": POLICIES[case.precision].weights}
    return Record(
        case=case,
        protocol=protocol,
        status="ok" if measured else "invalid",
        reason=None if measured else "; ".join(map(in_words, incomplete)),
        measurements=measured,
        environment=structs.replace(job.environment, gpu=gpu),
        gpu_readings=device.accelerator_readings(),
        effective=structs.replace(read, precision={**read.precision, **weights}),
        absent=_absent(too_long),
        warnings=incomplete + windows.merge_labels(watched),
        started_at=started_at,
    )


def _takes_too_long(product: Product, measured: Sequence[Measurement]) -> bool:
    """Whether a product would at the best rate among those measured."""
    if isinstance(product, Copy):
        return False
    flops = {m.product: m.samples[0] for m in measured if m.metric == "flops"}
    rates = [
        flops[m.product] / statistics.median(m.samples)
        for m in measured
        if m.metric == "wall_time" and m.product in flops and not m.disturbed
    ]
    return bool(rates) and product.flops / max(rates) > MOST_SECONDS


def _absent(too_long: Sequence[str]) -> dict[str, str]:
    if not too_long:
        return {}
    return {"products": f"more than {MOST_SECONDS:g} s at the best rate before them: {', '.join(too_long)}"}


def _measure(
    product: Product,
    case: Case,
    device: Device,
    protocol: MeasurementProtocol,
    monitor: Monitor,
    watched: dict[str, WindowReadings],
) -> list[Measurement]:
    """What a product has to do, its times, and the clocks meanwhile.

    What was seen in the window of the device's own clock is also added to `watched`. RuntimeError where
    no window may be used.
    """
    with torch.no_grad():
        steps = _steps(call_of(product, case, device.torch_name()))
        timed = latency.time_steps(steps, device, protocol, monitor)
    if timed.invalid is not None:
        raise RuntimeError(timed.invalid)
    watched[product_name(product)] = next(iter(timed.windows.values()))
    work = (
        single("product", "bytes_moved", product.bytes_moved, "bytes")
        if isinstance(product, Copy)
        else single("product", "flops", product.flops, "FLOP")
    )
    return [
        structs.replace(measurement, phase="product", product=product)
        for measurement in (work, *timed.measurements)
    ]


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
