"""In the child, after the timing: whether the steps ran in the way that the row says."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import torch

from bench.child.compiling import progress
from bench.child.in_force import InForce
from bench.contracts.engine import Engine
from bench.contracts.steps import Steps
from bench.probes import compiled_part
from bench.schema.case_warnings import CaseWarning
from models import process_state
from models.network import Network


@contextlib.contextmanager
def without_compiler(engine: Engine | None = None) -> Iterator[None]:
    """While this lasts no torch.compile of a user's own does anything, unless the engine compiles."""
    # Where torch's compiler is not imported nothing was compiled, and to import it takes seconds.
    if "torch._dynamo" not in sys.modules or (engine is not None and engine.compiles):
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def of_loading(network: Network) -> list[CaseWarning]:
    """Warnings about what a network's file did when it was loaded."""
    found = []
    if network.was_compiled:
        detail = "the network's file calls torch.compile: the plain module was measured, as the row says"
        found.append(CaseWarning("already-compiled", detail))
    if network.lost_settings:
        lost = ", ".join(network.lost_settings)
        found.append(CaseWarning("process-state", f"loading the network changed {lost} permanently"))
    return found


def of_learning(network: Network, in_force: InForce, engine: Engine) -> list[CaseWarning]:
    """Warnings about how a network was trained."""
    found = of_loading(network) + settings_changed(in_force.settings) + scripted(network.module)
    if network.ignores_seed:
        detail = "the network sets a seed of its own or draws no weights: every seed begins with the same"
        found.append(CaseWarning("own-seed", detail))
    if progress(engine)[1]:
        detail = "torch.compile reached its recompile limit, and some of the network ran eagerly"
        found.append(CaseWarning("recompile-limit", detail))
    return found


def settings_changed(before: process_state.State) -> list[CaseWarning]:
    """A warning where the steps changed what holds for the process: the number of threads, say."""
    changes = process_state.changes(before)
    if not changes:
        return []
    return [CaseWarning("process-state", f"the network's steps change {', '.join(map(str, changes))}")]


def scripted(module: torch.nn.Module) -> list[CaseWarning]:
    """A warning where a part of the network is TorchScript, which an interpreter of its own runs."""
    parts = [name for name, part in module.named_modules() if isinstance(part, torch.jit.ScriptModule)]
    if not parts:
        return []
    what = f"{parts[0]} is" if parts[0] else "the network is"
    return [CaseWarning("already-compiled", f"{what} TorchScript, which is neither eager nor torch.compile")]


def compiled_already(steps: Steps) -> list[CaseWarning]:
    """A warning where steps that should be eager call code that torch.compile made, whoever asked for it."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    if dynamo is None or not dynamo.counters["stats"]["unique_graphs"]:
        return []
    found = compiled_part.profile_step(steps)
    if not found.calls:
        return []
    return [CaseWarning("already-compiled", f"a step calls code of torch.compile {found.calls} times")]


def how_it_ran(engine: Engine, steps: Steps) -> tuple[str | None, list[CaseWarning]]:
    """From one step after the timing: why steps were no compiled ones, or None, and what to beware of."""
    found = compiled_part.profile_step(steps)
    graphs, given_up = progress(engine)
    limit = (
        f"torch.compile reached its recompile limit after {graphs} graphs, for the network needs another "
        "graph again and again"
    )
    if not found.calls:
        if given_up:
            return f"{limit}, and the steps ran eagerly", []
        return "torch.compile's code did not run: the steps ran eagerly", []
    warnings = []
    if given_up:
        warnings.append(CaseWarning("recompile-limit", f"{limit}: some of it may have run eagerly"))
    if found.eager:
        detail = f"{_listed(found)} ran eagerly, outside of compiled code"
        breaks = engine.observe()["graph_breaks"]
        warnings.append(
            CaseWarning("partly-eager", f"{detail} (graph breaks: {breaks})" if breaks else detail)
        )
    return None, warnings


def _listed(found: compiled_part.CompiledPart) -> str:
    """`2 of a step's 5 convolutions and matrix products (conv2d, mm)`"""
    count = sum(found.eager.values())
    return f"{count} of a step's {found.products} convolutions and matrix products ({', '.join(found.eager)})"
