"""The claim about memory: what a training step of the network of 2012 needs, by kind and at its peak."""

from __future__ import annotations

import math

from msgspec import Struct

from bench import devices
from bench.schema.case import Case
from bench.schema.metrics import LEDGER, METRICS
from reports.analysis.peak_ledger import ledger_of
from reports.claims.claim import Claim, ClaimWord, Judgement, replicated, statement
from reports.claims.evidence import Evidence, Setting
from reports.claims.timed_pairs import timed_case
from reports.summary.subjects import Figures

GIB = 2**30
CARD_BYTES = 3 * GIB
KINDS = (
    ("model", "weights"),
    ("model", "buffers"),
    ("model", "optimizer_state"),
    ("forward", "saved_activations"),
    ("model", "inputs"),
)
PAPER_BATCH = 128


class LiveMemory(Struct, frozen=True, kw_only=True):
    """What is alive at one instant: kind -> bytes."""

    when: str
    kinds: dict[str, float]


def _memory_case(setting: Setting) -> Case:
    return timed_case("alexnet-grouped", "training", PAPER_BATCH, setting, setting.device)


def _two_gpus(evidence: Evidence) -> Judgement:
    case = _memory_case(evidence.setting)
    figures = evidence.times([case])[case]
    peak = figures.get(("step", devices.traits(case.device).peak_metric))
    return judge_memory(_alive(figures), peak.median if peak else None, case.device)


def _alive(figures: Figures) -> LiveMemory | None:
    """What is alive at the peak; of a record without a ledger, at the end of forward, before gradients."""
    ledger = ledger_of(figures)
    if ledger is not None:
        return LiveMemory(when=f"at the peak, during {ledger.phase}", kinds=ledger.tensors)
    kinds = {metric: figures[phase, metric].median for phase, metric in KINDS if (phase, metric) in figures}
    return LiveMemory(when="at the end of forward", kinds=kinds) if "saved_activations" in kinds else None


def judge_memory(alive: LiveMemory | None, peak: float | None, device: str) -> Judgement:
    """Whether the step needs more than one card had: by what is alive at one instant, and by the measured
    peak.

    True if these tensors alone exceed 3 GiB, false if the peak does not. Between them it depends on the
    workspace of the algorithms and on what libraries keep.
    """
    if peak is None or alive is None:
        found = "the memory of the step was not measured"
        return Judgement(verdict="not tested", found=found, need="a run", reason=f"{found.capitalize()}.")
    tensors = math.fsum(alive.kinds.values())
    verdict: ClaimWord = "true" if tensors > CARD_BYTES else "false" if peak <= CARD_BYTES else "depends"
    listed = ", ".join(
        f"{METRICS[LEDGER[kind]].brief} {size / GIB:.2f}" for kind, size in alive.kinds.items() if size
    )
    said = {
        "true": "These tensors alone exceed 3 GiB.",
        "false": "With today's software the whole step would have fitted on one such card.",
        "depends": "These tensors fit on one card; the peak does not.",
    }[verdict]
    if devices.traits(device).is_host:
        said += " The peak is the process's, including Python and its libraries."
    return Judgement(
        verdict=verdict,
        figure=peak / GIB,
        unit="GiB at the peak of a step",
        found=f"a step peaks at {peak / GIB:.1f} GiB (batch {PAPER_BATCH}, fp32)",
        reason=(
            f"A training step of the 2012 network (batch {PAPER_BATCH}, 227x227, fp32, {device}) "
            f"peaks at {peak / GIB:.2f} GiB. Alive {alive.when}, in GiB: {listed}; together "
            f"{tensors / GIB:.2f}. {said} The software of 2012 kept other copies, and the second card also "
            "saved the paper time."
        ),
    )


CLAIMS = (
    Claim(
        said=statement("two-gpus"),
        needs=lambda setting: replicated([_memory_case(setting)], 1),  # bytes are the same in each
        judge=_two_gpus,
    ),
)
