"""The claim about memory: what a training step of the network of 2012 needs, by kind and at its peak."""

from __future__ import annotations

import math

from bench.case import Case
from reports.claims.claim import Claim, Judgement, Word, replicated, statement
from reports.claims.evidence import Evidence, Setting
from reports.claims.speed import timed_case

GIB = 2**30
CARD_BYTES = 3 * GIB
LEDGER = (
    ("model", "weights"),
    ("model", "buffers"),
    ("model", "gradients"),
    ("model", "optimizer_state"),
    ("forward", "saved_activations"),
    ("model", "inputs"),
)
PEAKS = {"cuda": "peak_allocated", "cpu": "peak_resident"}
PAPER_BATCH = 128


def _memory_case(setting: Setting) -> Case:
    return timed_case("alexnet-grouped", "training", PAPER_BATCH, setting, setting.device)


def _two_gpus(evidence: Evidence) -> Judgement:
    case = _memory_case(evidence.setting)
    figures = evidence.times([case])[case]
    kinds = {metric: figures[phase, metric].median for phase, metric in LEDGER if (phase, metric) in figures}
    peak = figures.get(("step", PEAKS[case.device]))
    return judge_memory(kinds, peak.median if peak else None, case.device)


def judge_memory(kinds: dict[str, float], peak: float | None, device: str) -> Judgement:
    """Whether the step needs more than one card had: by all that must be alive, and by the measured peak.

    Even what is alive at the end of forward above 3 GiB: it holds. (The gradients are not yet there, and as
    they come activations go.) Even the peak below: it does not. Between them it depends on the gradients that
    are alive with the activations, and on the workspace of the algorithms.
    """
    if peak is None or "saved_activations" not in kinds:
        return Judgement(verdict="not testable here", reason="The memory of the step was not measured.")
    ledger = math.fsum(kinds.values())
    alive = ledger - kinds.get("gradients", 0.0)
    verdict: Word = "holds" if alive > CARD_BYTES else "does not hold" if peak <= CARD_BYTES else "depends"
    listed = ", ".join(f"{kind.replace('_', ' ')} {size / GIB:.2f}" for kind, size in kinds.items() if size)
    said = {
        "holds": "All but the gradients is alive at the end of forward, and alone exceeds 3 GiB.",
        "does not hold": "With the software of today the whole step would have fitted on one such card.",
        "depends": "What is alive at the end of forward fits, but not all that the peak shows.",
    }[verdict]
    if device == "cpu":
        said += " The peak is that of the process, with Python and its libraries in it."
    return Judgement(
        verdict=verdict,
        figure=peak / GIB,
        unit="GiB at the peak of a step",
        reason=(
            f"A training step of the network of 2012 at batch {PAPER_BATCH}, 227x227, fp32, on {device} "
            f"peaks at {peak / GIB:.2f} GiB; in GiB: {listed}; together {ledger / GIB:.2f}. {said} The "
            "software of 2012 kept other copies, and the paper also gained time by the second card."
        ),
    )


CLAIMS = (
    Claim(
        said=statement("two-gpus"),
        needs=lambda setting: replicated([_memory_case(setting)], 1),  # bytes are the same in each
        judge=_two_gpus,
    ),
)
