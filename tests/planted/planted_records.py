"""Records with known answers, as a run would write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.gpu_identity import Gpu
from bench.schema.phases import Phase
from bench.schema.record import Effective, Environment, Measurement, Record, Status
from bench.store import RECORDS

MACHINE = Environment(
    host="lab",
    os="Linux-6.1",
    python="3.11.9",
    cpu="Test CPU",
    cores_physical=2,
    cores_usable=2,
    memory_bytes=8 * 2**30,
    gpu=None,
    libraries={"torch": "2.11.0"},
    variables={},
    commit="abc1234",
)
GPU = Gpu(
    name="Test GPU", memory_bytes=80 * 2**30, capability="9.0", driver="550.1", cuda="12.8", cudnn="9.1"
)
GPU_MACHINE = msgspec.structs.replace(MACHINE, gpu=GPU)
READ_BACK = {
    "cpu": Effective(
        precision={"conv": "ieee", "matmul": "ieee"}, machine={"threads": "2", "cpu_capability": "AVX512"}
    ),
    "cuda": Effective(
        precision={
            "conv": "ieee",
            "matmul": "ieee",
            "cudnn_benchmark": "true",
            "cudnn_benchmark_limit": "10",
            "reduced_sums": "fp16+bf16",
        }
    ),
}
"""What each device reads back in fp32."""
SPREAD = (0.97, 0.98, 0.99, 1.0, 1.01, 1.02, 1.03)
"""Samples of one process, relative to their median; their 95% interval is the whole range."""


def time(phase: Phase, seconds: float, metric: str = "wall_time") -> Measurement:
    """Seven samples around `seconds`."""
    return Measurement(phase=phase, metric=metric, unit="s", samples=[seconds * s for s in SPREAD])


def fact(phase: Phase, metric: str, value: float, unit: str = "bytes") -> Measurement:
    """One sample of what is counted, not timed."""
    return Measurement(phase=phase, metric=metric, unit=unit, samples=[value])


def record(
    case: Case,
    *measurements: Measurement,
    status: Status = "ok",
    reason: str | None = None,
    environment: Environment | None = MACHINE,
    effective: Effective | None = None,
    warnings: Sequence[CaseWarning] = (),
) -> Record:
    """A finished process."""
    return Record(
        case=case,
        protocol=MeasurementProtocol(),
        status=status,
        reason=reason,
        measurements=list(measurements),
        environment=environment,
        effective=effective or READ_BACK[case.device],
        warnings=list(warnings),
        started_at="2026-01-01T00:00:00Z",
    )


def replicates(case: Case, seconds: Sequence[float], phase: Phase = "forward") -> list[Record]:
    """One process for each median."""
    return [
        record(msgspec.structs.replace(case, replicate=number), time(phase, median))
        for number, median in enumerate(seconds, start=1)
    ]


def write(directory: Path, records: Iterable[Record], tail: bytes = b"") -> Path:
    """A run's directory that holds these records and then `tail`."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in records)
    (directory / RECORDS).write_bytes(lines + tail)
    return directory


def example() -> list[Record]:
    """A small run of everything that a report shows, on a CPU and a GPU."""
    lenet = Case(model="lenet5", image=28, channels=1, classes=10, threads=2)
    vgg = Case(model="vgg11", threads=2, batch=8)
    train = Case(model="vgg11", workload="training", threads=2, batch=8)
    records = []
    for number, wobble in enumerate((0.99, 1.0, 1.01), start=1):
        for case, base in ((lenet, 0.0005), (vgg, 0.2)):
            records.append(_inference(case, number, base * wobble))
        records.append(_training(train, number, wobble))
        records.append(_compiled(vgg, number, 0.15 * wobble))
    records.append(_cuda(vgg, 1, "fp32", 0.004))
    records.append(_cuda(vgg, 1, "amp-bf16", 0.002))
    huge = msgspec.structs.replace(train, batch=4096)
    records.append(record(huge, status="oom", reason="CUDA out of memory:\ntried <64 GiB> | free 1 GiB"))
    none = msgspec.structs.replace(vgg, precision="tf32")
    records.append(record(none, status="skipped", reason="tf32 is a mode of NVIDIA GPUs", environment=None))
    return records


def _numbered(case: Case, number: int) -> Case:
    return msgspec.structs.replace(case, replicate=number)


def _inference(case: Case, number: int, seconds: float) -> Record:
    parameters, flops = (61_706, 846_864) if case.model == "lenet5" else (132_863_336, 15_218_180_096)
    return record(
        _numbered(case, number),
        fact("model", "parameters", parameters, "count"),
        fact("forward", "flops", flops * case.batch, "FLOP"),
        time("forward", seconds),
        fact("model", "weights", parameters * 4),
        fact("forward", "peak_resident", parameters * 5),
        warnings=[CaseWarning("not-stationary", "windows differ by 3.1%")] if number == 1 else [],
    )


def _training(case: Case, number: int, wobble: float) -> Record:
    parts: dict[Phase, float] = {"forward": 0.3, "backward": 0.6, "optimizer": 0.1, "step": 1.0}
    return record(
        _numbered(case, number),
        fact("backward", "flops", 30_262_951_936 * case.batch, "FLOP"),
        *(time(phase, seconds * wobble) for phase, seconds in parts.items()),
        *(fact("model", kind, 132_863_336 * 4) for kind in ("weights", "gradients", "optimizer_state")),
        fact("forward", "saved_activations", 64 * 2**20 * case.batch),
        fact("backward", "peak_resident", 3 * 2**30),
        fact("step", "peak_resident", 3 * 2**30),
    )


def _compiled(case: Case, number: int, seconds: float) -> Record:
    return record(
        msgspec.structs.replace(case, engine="compile", replicate=number),
        time("forward", seconds),
        fact("model", "compile_cold", 30.0, "s"),
        fact("model", "compile_warm", 3.0, "s"),
        fact("model", "graph_breaks", 0, "count"),
        fact("model", "recompiles", 0, "count"),
    )


def _cuda(case: Case, number: int, precision: str, seconds: float) -> Record:
    moved = msgspec.convert(
        msgspec.to_builtins(case) | {"device": "cuda", "precision": precision, "replicate": number}, Case
    )
    return record(
        moved,
        time("forward", seconds * 0.9, "device_time"),
        time("forward", seconds),
        time("forward", seconds * 0.95, "host_time"),
        fact("forward", "peak_allocated", 2**30),
        fact("model", "allocation_retries", 0, "count"),
        environment=GPU_MACHINE,
        warnings=[CaseWarning("launch-bound", "host time is 1.06 x device time")],
    )
