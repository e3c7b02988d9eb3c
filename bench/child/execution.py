"""In the child, after the timing: whether the steps ran in the way that the row says."""

from __future__ import annotations

import sys

import torch

from bench.child.compiling import progress
from bench.contracts.engine import Engine
from bench.contracts.steps import Steps
from bench.probes import compiled_part
from bench.schema.case_warnings import CaseWarning
from models import process_state


def settings_changed(before: process_state.State) -> list[CaseWarning]:
    """A warning where the steps changed what holds for the process: the number of threads, say."""
    changes = process_state.changes(before)
    if not changes:
        return []
    return [CaseWarning("process-state", f"the network's steps change {', '.join(map(str, changes))}")]


def already_compiled(module: torch.nn.Module) -> list[CaseWarning]:
    """A warning where a part of the network is TorchScript, which an interpreter of its own runs."""
    scripted = [name for name, part in module.named_modules() if isinstance(part, torch.jit.ScriptModule)]
    if not scripted:
        return []
    what = f"{scripted[0]} is" if scripted[0] else "the network is"
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
