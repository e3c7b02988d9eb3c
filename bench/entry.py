"""What another installation of convbench starts: this module never moves, whatever becomes of the others.

    PYTHON -P -c "from bench.entry import main; main()" PID WIRE KIND...

starts a fork server (`bench.forkserver.wire` says what it hears and answers). Only the standard library is
imported here, so that the words below can be read without the rest.
"""

from __future__ import annotations

import importlib.metadata
import sys
from typing import NoReturn

QUESTIONS = {
    "measure": "bench.child.worker:measure_case",
    "compile-cold": "bench.child.worker:compile_cold",
    "why-unusable": "bench.child.worker:why_unusable",
    "describe": "bench.child.worker:describe",
    "free-memory": "bench.child.worker:free_memory",
    "measure-ranks": "bench.child.ranks.job_worker:measure_ranks",
    "ceilings": "bench.child.ceilings.ceiling_worker:measure_ceilings",
    "train": "bench.child.training.training_worker:train",
    "fetch": "bench.child.training.training_worker:fetch",
    "identify": "bench.child.identity:identify",
    "places": "bench.child.module_places:module_places",
    "count": "bench.child.network_flops:count",
    "agree": "bench.child.output_agreement:agree",
    "selftest": "bench.selftest.groups:answer",
}
"""What can be asked -> the function (bytes to bytes) that a child calls. The words are part of the wire."""

PRELOAD = {
    "timed": ("torch", "bench.child.worker", "bench.child.found_plugins"),
    "counted": ("torch._dynamo",),
    "torchvision": ("torchvision",),
    "timm": ("timm",),
    "training": ("bench.child.training.training_worker",),
    "ranks": ("bench.child.ranks.job_worker", "torch._dynamo"),
    "ceilings": ("bench.child.ceilings.ceiling_worker",),
    "digits": ("sklearn.datasets", "sklearn.model_selection"),
    "compiled": ("torch._inductor.compile_fx", "bench.probes.graph_casts"),
    "selftest": ("torch", "bench.selftest.groups"),
}
"""What children will do -> the modules to import once, before the first of them is forked.

torch imports the front end of torch.compile at the first use of an optimizer or of a mode that sees
operators: more than half a second in every child where it is not preloaded, and in a server for nothing where
no child needs it.
"""


def main() -> NoReturn:
    """Serve until standard input closes. Arguments: the parent's process id, its wire, kinds of PRELOAD.

    The parent judges by the answer whether the two wires fit. Kinds that are not known here are left out,
    since preloading only saves time.
    """
    from bench.forkserver import server
    from bench.forkserver.wire import WIRE, Ready
    from bench.schema.job import later_fields
    from bench.schema.record import SCHEMA

    parent, _, *kinds = sys.argv[1:]
    ready = Ready(
        wire=WIRE,
        convbench=_version(),
        schema=SCHEMA,
        questions=tuple(QUESTIONS),
        fields=later_fields(),
    )
    modules = [module for kind in kinds for module in PRELOAD.get(kind, ())]
    server.serve(int(parent), modules, QUESTIONS, ready)


def _version() -> str:
    """Empty in a source tree that was never installed."""
    try:
        return importlib.metadata.version("convbench")
    except importlib.metadata.PackageNotFoundError:
        return ""
