"""Claims about networks spread over GPUs, in 2012 and 2014: bytes by arithmetic, speed by runs of `scale`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from msgspec import structs

from bench.schema.case import Case
from models import catalogue
from models.arch import Arch, Conv, Linear, layer_names
from models.closed_form import BYTES_PER_ELEMENT, cost, shapes
from reports.claims.claim import Claim, ClaimWord, Judgement, lies_within, statement
from reports.claims.evidence import Evidence
from reports.claims.timed_pairs import Compared, compared, judge_largest
from reports.tables.wording import MIB

GIB = 2**30
CARD_BYTES = 3 * GIB
BATCH = 128
"""Of the paper."""
TOWERS = 2
NETWORK = "alexnet-grouped"
COPIES = 3
"""Of each weight: itself, its gradient and its momentum."""
CARD_FLOPS = 512 * 1.544e9 * 2
"""A second of a GeForce GTX 580, the card of the paper: a multiply and an add of each core at its clock."""
CARD_LINK = 16 * 5e9 * 8 / 10 / 8
"""bytes/s one way of its PCI Express 2.0 with 16 lanes: 5 GT/s each, 8 bits sent as 10."""
ACCEPTABLE = 0.1
"""Of the time of the computation. The paper names no share."""


def _cited(evidence: Evidence) -> Judgement:
    return Judgement(
        verdict="cited",
        figure=1.7,
        unit="points of top-1 error",
        found="1.7 and 1.2 points, on ImageNet",
        reason=(
            "A result on ImageNet, not measured here. The one-GPU network of the comparison keeps its last "
            "convolution and its linear layers whole, so that both have about as many parameters: the paper "
            "says that this favors the one-GPU network."
        ),
    )


def exchanged(arch: Arch) -> dict[str, int]:
    """What one tower sends the other for one image, forward and backward, in bytes by the layer that sees
    both towers: half of the maps that come into it, and as much of their gradients."""
    outputs = shapes(arch)
    found = {}
    began = False
    for at, (name, layer) in enumerate(zip(layer_names(arch), arch.layers, strict=True)):
        sees_both = isinstance(layer, Linear) or (isinstance(layer, Conv) and layer.groups == 1)
        if began and sees_both:
            found[name] = 2 * math.prod(outputs[at - 1]) // TOWERS * BYTES_PER_ELEMENT
        began = began or isinstance(layer, Conv)
    return found


def seconds_of_2012(arch: Arch) -> tuple[float, float]:
    """(communication, computation) of a step on each of two cards, both at their peak: at what the software
    of 2012 reached of the card's arithmetic the computation took longer."""
    sent = BATCH * sum(exchanged(arch).values())
    image = cost(arch)
    return sent / CARD_LINK, BATCH * (image.flops_forward + image.flops_backward) / TOWERS / CARD_FLOPS


def _exchange(evidence: Evidence) -> Judgement:
    """Against the computation, and the gradients that data parallelism sends: of two ranks all, once."""
    arch = catalogue.MODELS[NETWORK]
    by_layer = exchanged(arch)
    step = BATCH * sum(by_layer.values())
    gradients = cost(arch).parameters * BYTES_PER_ELEMENT
    silent = sum(isinstance(layer, Conv | Linear) for layer in arch.layers) - len(by_layer)
    sending, computing = seconds_of_2012(arch)
    holds = silent > 0 and sending <= ACCEPTABLE * computing
    listed = ", ".join(f"{name} {size:,}" for name, size in by_layer.items())
    return Judgement(
        verdict="true" if holds else "false",
        figure=step / MIB,
        unit="MiB a step that each GPU sends",
        found=f"{step / MIB:.1f} MiB a step: {sending / computing:.1%} of the computation",
        reason=(
            f"Bytes that each of the two GPUs sends for one image, maps forward and gradients backward: "
            f"{listed}. The other {silent} layers send nothing. A step at batch {BATCH} sends "
            f"{step / MIB:.1f} MiB, {1e3 * sending:.1f} ms over PCI Express 2.0, beside "
            f"{1e3 * computing:.0f} ms of computation, each at the peak of a GTX 580. Data parallelism on "
            f"two GPUs would send all {gradients / MIB:.1f} MiB of gradients, whatever the batch. Up to "
            f"{ACCEPTABLE:.0%} counts as "
            "acceptable here: the paper names no share."
        ),
    )


def device_bytes(arch: Arch, batch: int) -> tuple[int, int]:
    """What a training step keeps in fp32, (least, most): weights, gradients and momentum, and the output of
    every layer; at most also a gradient beside each output, and the images."""
    maps = sum(math.prod(shape) for shape in shapes(arch))
    least = BYTES_PER_ELEMENT * (COPIES * cost(arch).parameters + batch * maps)
    return least, least + BYTES_PER_ELEMENT * batch * (maps + arch.channels * arch.image**2)


def _memory(evidence: Evidence) -> Judgement:
    return judge_memory_of(*device_bytes(catalogue.MODELS[NETWORK], BATCH))


def judge_memory_of(least: int, most: int) -> Judgement:
    """Whether so many bytes fit on no single card of 3 GiB, but on two: false only where even the most fits
    on one, true only where even the least does not."""
    verdict: ClaimWord = "depends"
    words = "Whether one card is enough depends on what is kept."
    if most <= CARD_BYTES:
        verdict, words = "false", "By arithmetic one such card would have been enough."
    elif most > TOWERS * CARD_BYTES:
        words = "Not even half of it surely fits on one card."
    elif least > CARD_BYTES:
        verdict, words = "true", "One card is too small, and half of it fits."
    half = most / TOWERS
    return Judgement(
        verdict=verdict,
        figure=most / GIB,
        unit="GiB on one GPU",
        found=f"at most {most / GIB:.2f} GiB on one GPU, {half / GIB:.2f} GiB on each of two",
        reason=(
            f"Weights, gradients, momentum and the outputs of all layers in fp32 at batch {BATCH}: "
            f"{least / GIB:.2f} GiB; with a gradient beside each output, and the images, {most / GIB:.2f} "
            f"GiB, of which each tower has about half. {words} Workspace and copies of the software of 2012 "
            "are not in it: the claim two-gpus measures the peak of today's."
        ),
    )


HYBRID, DATA_PARALLEL = "hybrid-2014", "ddp"


def hybrid_pairs(cases: Sequence[Case]) -> Iterator[tuple[Case, Case]]:
    """(data parallel, hybrid) of the same network, batch and number of ranks."""
    for case in dict.fromkeys(cases):
        if case.strategy == HYBRID and case.ranks > 1:
            other = structs.replace(case, strategy=DATA_PARALLEL)
            if other in cases:
                yield other, case


def _hybrid(evidence: Evidence) -> Judgement:
    pairs = list(hybrid_pairs([subject.case for subject, _ in evidence.timed]))
    times = evidence.times(case for pair in pairs for case in pair)
    rows = [
        row
        for base, new in pairs
        if base in times and new in times
        if (row := compared(f"{new.model} on {new.ranks}", times[base], times[new], new.workload))
    ]
    return judge_hybrid(rows)


def judge_hybrid(rows: Sequence[Compared]) -> Judgement:
    """Whether the hybrid's step is the shorter one in every pair, by whole intervals."""
    if not rows:
        return Judgement(
            verdict="not tested",
            found="needs two GPUs or more",
            need="a GPU",
            reason=(
                "No run has both strategies. Measure them on two GPUs or more with convbench scale alexnet "
                "--strategy hybrid-2014 and --strategy ddp, then name both folders with --from. The paper's "
                "own speed-ups are not repeated here."
            ),
        )
    inside = [lies_within(*row.ends, 1.0, math.inf) for row in rows]
    listed = "; ".join(f"{row.name}: {row.speed_up:,.3g}" for row in rows)
    return judge_largest(
        rows,
        inside,
        unit="times as fast as data parallel, at most",
        reason=f"Step of data parallelism over the hybrid's, on the same devices: {listed}.",
    )


CLAIMS = (
    Claim(said=statement("two-gpu-error"), judge=_cited),
    Claim(said=statement("two-gpu-exchange"), judge=_exchange),
    Claim(said=statement("two-gpu-memory"), judge=_memory),
    Claim(said=statement("one-weird-trick"), judge=_hybrid),
)
