"""Claims about speed, settled by cases that are timed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from bench import devices
from bench.contracts.device import Scale
from bench.schema.case import TIMED, Case, Workload
from models import catalogue
from models.closed_form import cost
from reports.claims.claim import Claim, Judgement, lies_within, replicated, span, statement, word_of
from reports.claims.evidence import Evidence, Setting
from reports.claims.timed_pairs import NO_GPU, Compared, compared, judge_largest, timed_case

SAID_SPEED_UP = 1000
WITHIN_FACTOR = 2
"""`about 1000` means 500 to 2000."""
SHARED_BATCHES = {"alexnet": (1, 8, 128), "vgg16": (1, 8)}
"""What a processor does in seconds."""


def _both_devices(setting: Setting) -> dict[str, tuple[Case, Case]]:
    """By name: the same work in fp32 on the processor and on the GPU; nothing without one."""
    host = devices.host()
    if setting.device == host.name:
        return {}
    found = {}
    for model, batches in SHARED_BATCHES.items():
        for workload, batch in itertools.product(TIMED, batches):
            cpu, gpu = (
                timed_case(model, workload, batch, setting, device) for device in (host.name, setting.device)
            )
            found[f"{workload} of {model} at batch {batch}"] = (cpu, gpu)
    return found


def _gpu_speed_up(evidence: Evidence) -> Judgement:
    pairs = _both_devices(evidence.setting)
    times = evidence.times(case for pair in pairs.values() for case in pair)
    rows = [
        row
        for name, (cpu, gpu) in pairs.items()
        if cpu in times and gpu in times
        if (row := compared(name, times[cpu], times[gpu], cpu.workload))
    ]
    return judge_gpu(rows, evidence.setting)


UNSETTLED = " An interval crosses the limit, or is missing: more processes are needed."


def judge_gpu(rows: Sequence[Compared], setting: Setting) -> Judgement:
    """Whether the GPU is about 1000 times as fast: in every row, in some or in none, by whole intervals."""
    if not rows:
        is_host = devices.traits(setting.device).is_host
        why = NO_GPU if is_host else "The records have one side only."
        return Judgement(
            verdict="not tested",
            found="needs a CUDA GPU" if is_host else "one of CPU and GPU is missing",
            need="a GPU" if is_host else "a run",
            reason=f"{why} The claim needs the same work on a CUDA GPU and on the CPU of its machine.",
        )
    low, high = SAID_SPEED_UP / WITHIN_FACTOR, SAID_SPEED_UP * WITHIN_FACTOR
    inside = [lies_within(*row.ends, low, high) for row in rows]
    best = max(rows, key=lambda row: row.speed_up)
    verdict = word_of(inside)
    listed = "; ".join(f"{row.name}: {row.speed_up:,.3g}" for row in rows)
    on = (
        f" It depends on network and batch size: {inside.count(True)} of {len(rows)} are about 1000."
        if (verdict == "depends")
        else UNSETTLED
        if verdict == "undecided"
        else ""
    )
    return judge_largest(
        rows,
        inside,
        unit="times faster, at most",
        reason=(
            f"CPU time over GPU time of the same work in fp32, on the CPU with {best.base.case.threads} "
            f"threads: {listed}.{on} The figure is the largest of them; 'about 1000' means "
            f"{low:g} to {high:,g}. The claim is about CPUs of 2012, often a single core."
        ),
    )


FAR_MORE = 2.0
"""`far more expensive` is at least twice."""
VGG_BATCH: Mapping[Scale, int] = {"small": 4, "large": 64}


def _vgg_cases(setting: Setting) -> dict[Workload, tuple[Case, Case]]:
    """By workload: AlexNet and VGG-16."""
    batch = VGG_BATCH[devices.traits(setting.device).scale]
    return {
        workload: (
            timed_case("alexnet", workload, batch, setting, setting.device),
            timed_case("vgg16", workload, batch, setting, setting.device),
        )
        for workload in TIMED
    }


def _vgg_cost(evidence: Evidence) -> Judgement:
    pairs = _vgg_cases(evidence.setting)
    times = evidence.times(case for pair in pairs.values() for case in pair)
    rows = {
        workload: row
        for workload, (small, large) in pairs.items()
        if small in times and large in times
        if (row := compared(workload, times[large], times[small], workload))
    }
    device = evidence.setting.device
    return judge_vgg(rows, VGG_BATCH[devices.traits(device).scale], device)


def judge_vgg(rows: dict[Workload, Compared], batch: int, device: str) -> Judgement:
    """Whether VGG-16 takes at least twice as long as AlexNet, in training and in inference."""
    if len(rows) < len(TIMED):
        return Judgement(
            verdict="not tested",
            found="a time is missing",
            need="a run",
            reason="A time of VGG-16 or of AlexNet is missing.",
        )
    verdict = word_of([lies_within(*row.ends, FAR_MORE, math.inf) for row in rows.values()])
    step, forward = rows["training"], rows["inference"]
    large, small = (cost(catalogue.MODELS[model]) for model in ("vgg16", "alexnet"))
    return Judgement(
        verdict=verdict,
        figure=step.speed_up,
        low=step.ends[0],
        high=step.ends[1],
        unit="time of VGG-16 / of AlexNet, training step",
        found=f"{span(step.speed_up, *step.ends, 'x', known=verdict != 'undecided')} per training step",
        need="more processes" if verdict == "undecided" else "",
        reason=(
            f"Batch {batch}, fp32, {device}: VGG-16 takes {step.speed_up:.1f}x the time per training step "
            f"and {forward.speed_up:.1f}x per forward pass, with {large.macs / small.macs:.1f}x the "
            f"MACs and {large.parameters / small.parameters:.1f}x the parameters. AlexNet is "
            f"torchvision's single tower. 'Far more' means {FAR_MORE:g} times or more, with "
            f"the whole interval.{UNSETTLED if verdict == 'undecided' else ''}"
        ),
    )


CLAIMS = (
    Claim(
        said=statement("gpu-speedup"),
        needs=lambda setting: replicated(
            [case for pair in _both_devices(setting).values() for case in pair], setting.replicates
        ),
        judge=_gpu_speed_up,
        partial=True,
    ),
    Claim(
        said=statement("vgg-cost"),
        needs=lambda setting: replicated(
            [case for pair in _vgg_cases(setting).values() for case in pair], setting.replicates
        ),
        judge=_vgg_cost,
    ),
)
