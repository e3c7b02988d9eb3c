"""A module that lives in the caller's own process, timed there and left as it was.

The same warm-up, sampling and checks as those of a case, and none of the isolation: threads, flags and memory
are the caller's, and one process says nothing of what another would measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_flatten, tree_map

from bench import devices, engines
from bench.child import compiling, execution
from bench.child.live_state import as_it_was, current
from bench.child.live_steps import LiveModule, inference_steps, training_steps
from bench.child.passes import monitor_of
from bench.child.weights import dtypes
from bench.contracts.device import Device
from bench.contracts.engine import Engine
from bench.contracts.monitor import Monitor, Monitors, WindowReadings, Work
from bench.contracts.steps import Steps
from bench.fresh_inputs import FreshInputs
from bench.schema.case import TIMED, Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Measurement
from bench.tensors import POLICIES, autocast
from bench.timing import latency
from models import process_state
from models.errors import UserError, in_one_line, unknown


@dataclass(frozen=True)
class LiveTiming:
    """What was found, and where; `invalid` is the reason why the figures must not be used.

    effective  the precision that was in force: how fp32 tensors are multiplied, and the dtypes of the weights
    """

    device: str
    effective: dict[str, str]
    threads: int
    measurements: list[Measurement]
    warnings: list[CaseWarning]
    invalid: str | None


@dataclass(frozen=True)
class _Announcer:
    """A monitor that sees nothing, and says that another window begins: nothing is drawn inside of one."""

    on_stage: Callable[[str], None]

    def before(self) -> None:
        self.on_stage("sampling")

    def end(self) -> None:
        """Nothing is counted."""

    def after(self, work: Work) -> WindowReadings:
        return WindowReadings()


def live_module(
    module: object,
    inputs: object,
    workload: str,
    precision: str,
    engine: str,
    loss: Callable[..., Any] | None,
    targets: object,
) -> LiveModule:
    """What is asked for, checked; `inputs` is a tensor, a tuple of arguments or a mapping of keywords.

    Raises UserError for another workload, precision or engine, for a loss without training, and for what
    is no module.
    """
    if not isinstance(module, torch.nn.Module):
        raise UserError(f"a module is measured, and {type(module).__name__} is no torch.nn.Module")
    if workload not in TIMED:
        raise unknown("workload", workload, TIMED)
    if workload != "training" and not (loss is None and targets is None):
        raise UserError("loss and targets are for workload='training': inference uses neither")
    if precision not in POLICIES:
        raise unknown("precision", precision, POLICIES)
    if POLICIES[precision].weights != "float32" or precision == "tf32":
        raise UserError(
            f"precision {precision} changes weights or settings of the process: change them before, and "
            "measure the module as it is"
        )
    keywords = dict(inputs) if isinstance(inputs, Mapping) else {}
    arguments = inputs if isinstance(inputs, tuple) else () if isinstance(inputs, Mapping) else (inputs,)
    return LiveModule(
        module=module,
        arguments=arguments,
        keywords=keywords,
        workload=workload,
        precision=precision,
        engine=engines.get(engine).name,
        loss=loss,
        targets=targets,
    )


def time_live(
    live: LiveModule,
    protocol: MeasurementProtocol,
    on_stage: Callable[[str], None] = lambda stage: None,
    device: Device | None = None,
) -> LiveTiming:
    """Times of every phase of a step, in s; the device is the one on which the module and its inputs lie.

    Raises UserError where it cannot be measured. The module's weights, buffers, gradients and modes, the
    random state and torch's settings are afterwards what they were, also after an error.
    """
    where = _place_of(live)
    device = device or _device_at(where)
    case = _case(live, device)
    with as_it_was(live), current(where):
        try:
            return _timed(live, case, device, protocol, on_stage)
        except UserError:
            raise
        except Exception as error:
            raise _refusal(case, error) from error


@contextmanager
def ready(live: LiveModule) -> Iterator[tuple[Case, Device, Steps]]:
    """Inside: the steps of a module, which have run once, for a sampler of the caller's; `case` names the
    work. Afterwards all is as `time_live` leaves it. Raises UserError where it cannot be measured."""
    where = _place_of(live)
    device = _device_at(where)
    case, engine = _case(live, device), engines.get(live.engine)
    with as_it_was(live), current(where):
        _refuse_unusable(case, engine, device)
        with _context(case, device.torch_type()):
            try:
                steps = _steps(live, engine, device.torch_type())
            except UserError:
                raise
            except Exception as error:
                raise _refusal(case, error) from error
            yield case, device, compiling.refuse_recompiles(steps, engine)


def _refusal(case: Case, error: Exception) -> UserError:
    return UserError(f"{case.model} cannot be measured with these inputs: {in_one_line(error)}")


def _refuse_unusable(case: Case, engine: Engine, device: Device) -> None:
    reason = (
        engine.why_unsupported(case, device.traits)
        or engine.why_unusable(case, device.traits)
        or device.why_unusable(case)
    )
    if reason:
        raise UserError(reason)


def _timed(
    live: LiveModule,
    case: Case,
    device: Device,
    protocol: MeasurementProtocol,
    on_stage: Callable[[str], None],
) -> LiveTiming:
    engine = engines.get(case.engine)
    _refuse_unusable(case, engine, device)
    compiled = engine.observe().get("compiled_graphs", 0)
    with _context(case, device.torch_type()):
        settings = process_state.read()
        on_stage("compiling" if engine.compiles else "first step")
        steps = compiling.refuse_recompiles(_steps(live, engine, device.torch_type()), engine)
        on_stage("warming up")
        watching: Monitor = Monitors((_Announcer(on_stage), monitor_of(case, device)))
        taken = latency.time_steps(steps, device, protocol, watching)
        changed = execution.settings_changed(settings)
        invalid, how = _how_it_ran(engine, steps, compiled)
        how += execution.scripted(live.module) + changed
    invalid = taken.invalid or invalid
    told = engine.warnings(case, device.traits)  # one of them is about a peak, and none is measured here
    return LiveTiming(
        device=case.device,
        effective=device.read_back().precision | {"weights": dtypes(live.module)},
        threads=case.threads,
        measurements=taken.measurements,
        warnings=taken.warnings + how + [each for each in told if each.label != "peak-holds-compiler"],
        invalid=invalid,
    )


def _how_it_ran(engine: Engine, steps: Steps, compiled_before: int) -> tuple[str | None, list[CaseWarning]]:
    """Why compiled steps were no compiled ones, or None, and what to beware of."""
    if not engine.compiles:
        return None, execution.compiled_already(steps)
    if engine.observe()["compiled_graphs"] == compiled_before:
        return "torch.compile compiled nothing: the steps ran eagerly", []
    return execution.how_it_ran(engine, steps)


def _steps(live: LiveModule, engine: Engine, device_type: str) -> Steps:
    """The steps as they are timed, one of which has been made."""
    arguments, keywords = tree_map(_copy, (live.arguments, live.keywords))
    forward = engine.wrap(live.module)

    def call() -> Any:
        return forward(*arguments, **keywords)

    inputs = _tensors((arguments, keywords))
    fresh = FreshInputs(inputs, lambda: _tensors((live.arguments, live.keywords)))
    if live.workload == "training":
        steps = training_steps(live, call, inputs, fresh, device_type)
    else:
        steps = inference_steps(live.module, call, fresh)
    steps.setup()
    steps.step()
    return engine.fuse(steps)


def _tensors(inputs: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_flatten(inputs)[0] if torch.is_tensor(leaf)]


def _case(live: LiveModule, device: Device) -> Case:
    """The work as plug-ins are asked about it; its sizes are the caller's and not known."""
    return Case(
        model=type(live.module).__name__,
        workload=live.workload,
        device=device.name,
        precision=live.precision,
        engine=live.engine,
        threads=torch.get_num_threads(),
    )


def _place_of(live: LiveModule) -> torch.device:
    """Where the module and the tensors among its inputs lie. UserError: in several places, or nowhere."""
    tensors = [*live.module.parameters(), *live.module.buffers()]
    if any(map(is_lazy, tensors)):
        raise UserError("the module is lazy and has no shapes yet: call it once before it is measured")
    own = {tensor.device for tensor in tensors}
    leaves = tree_flatten((live.arguments, live.keywords, live.targets))[0]
    given = {leaf.device for leaf in leaves if torch.is_tensor(leaf)}
    if any(place.type == "meta" for place in own | given):
        raise UserError("the device meta has shapes and no data: build the module and its inputs on another")
    if len(own) > 1:
        raise UserError(f"the module lies on several devices ({_named(own)}): only one can be measured")
    if own and given - own:
        raise UserError(
            f"the module is on {_named(own)} and an input on {_named(given - own)}: move it there"
        )
    if len(own | given) > 1:
        raise UserError(f"the inputs lie on several devices ({_named(given)}): only one can be measured")
    return next(iter(own | given), torch.device(devices.host().torch_name()))


def _named(places: set[torch.device]) -> str:
    return ", ".join(sorted(map(str, places)))


def _device_at(place: torch.device) -> Device:
    for device in devices.devices().values():
        if device.torch_type() == place.type:
            return device
    raise UserError(f"convbench cannot measure on {place}: it knows {', '.join(devices.devices())}")


def _copy(leaf: Any) -> Any:
    """Inputs are copied: a module may change them, and their gradients are the caller's."""
    if not torch.is_tensor(leaf):
        return leaf
    return leaf.detach().clone().requires_grad_(leaf.requires_grad)


def _context(case: Case, device_type: str) -> ExitStack:
    """Whatever the caller is in: gradients for training alone, and autocast as asked."""
    stack = ExitStack()
    stack.enter_context(torch.inference_mode(False))
    stack.enter_context(torch.set_grad_enabled(case.workload == "training"))
    stack.enter_context(torch.autocast(device_type, enabled=False))
    if case.workload == "inference":
        stack.enter_context(autocast(case.precision, device_type))
    return stack
