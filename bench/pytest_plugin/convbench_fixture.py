"""The fixture `convbench`: a network is built, warmed up, timed through pytest-benchmark, and described."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from bench import devices
from bench.plan import axes, single_case, suite_plan
from bench.plan.axes import Value
from bench.pytest_plugin import (
    failed_benchmarks,
    gate_options,
    kept_step,
    limits,
    ready_step,
    reduced_size,
    replicated_cases,
    replicated_phase,
    session_budget,
)
from bench.pytest_plugin.benchmarked import Benchmarked
from bench.pytest_plugin.measuring_mode import is_measured
from bench.pytest_plugin.ready_step import ReadyStep
from bench.pytest_plugin.timed_phase import time_phase
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.kept_plan import KeptPlan
from models.errors import UserError

if TYPE_CHECKING:
    from torch import nn

_IMAGE, _CHANNELS = 224, 3
"""Of the random images that a module of the test's own is given."""


class Convbench:
    """What the fixture returns."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self._run = replicated_cases.of(request.config)
        self.is_called = False

    @property
    def is_measured(self) -> bool:
        """Whether benchmarks are measured; where they are not, each runs once, at a reduced size."""
        return is_measured(self._request.config)

    # long: its parameters are the axes.
    def __call__(
        self,
        model: str | nn.Module,
        *,
        batch: int | None = None,
        image: int | None = None,
        inputs: Any = None,
        workload: str = "inference",
        precision: str = "fp32",
        engine: str = "eager",
        layout: str | None = None,
        device: str | None = None,
        phase: str | None = None,
        loss: Callable[..., Any] | None = None,
        targets: Any = None,
    ) -> Benchmarked:
        """Time one step, or one phase of it; a test can do this once.

        model      a name (`convbench list models`, torchvision:NAME, FILE.py:FUNCTION), or a module
        batch      inputs of a step, by default 1; image: side of the square images in pixels
        inputs     of a module: a tensor, a tuple of arguments or a dict of keyword arguments; by default
                   random images of shape (batch, 3, image, image) on the module's device
        workload   inference (forward in eval mode) or training (forward, backward, optimizer)
        layout, device   of a network by name; a module is measured where and as it is. Skips the test where
                   the device is not here, or cannot do what is asked
        phase      forward, backward, optimizer or step; by default the whole step
        loss, targets    of a module in training: see `convbench.measure`

        Fails the test, in a sentence, for bad input and where memory runs out.
        """
        given = {"workload": workload, "precision": precision, "engine": engine}
        if self.is_called:
            pytest.fail("convbench times one network or phase per test: parametrize the test", pytrace=False)
        self.is_called = True
        try:
            with failed_benchmarks.told_in_a_line(self._request):
                if isinstance(model, str):
                    _refuse(inputs=inputs, loss=loss, targets=targets)
                    named = {"batch": batch, "image": image, "layout": layout, "device": device}
                    asked = axes.read_given({**given, **named})
                    _skip_without(asked.get("device", ()))
                    plan = single_case.plan_of(model, asked, until=None)
                    if self._run is not None:
                        (case,) = plan.cases
                        found = replicated_phase.time_phase(
                            self._request, self._run, case, phase, plan.protocol
                        )
                        return self._judged(found)
                    return self._time(self._of_plan(plan), phase)
                _refuse_axes(layout=layout, device=device)
                _refuse_size(image, inputs)
                _refuse_others(model)
                if self._run is not None:
                    replicated_phase.refuse_module(self._run)
                batch, image = _size("batch", batch), _size("image", image)
                arguments = _images(model, batch or 1, image or _IMAGE) if inputs is None else inputs
                known = batch or 1 if inputs is None else batch
                return self._time(self._of_module(model, arguments, given, loss, targets), phase, known)
        except UserError as error:
            reason = str(error)
        pytest.fail(reason, pytrace=False)

    def _time(
        self,
        opened: AbstractContextManager[tuple[ReadyStep, MeasurementProtocol]],
        phase: str | None,
        batch: int | None = None,
    ) -> Benchmarked:
        with opened as (ready, protocol):
            return self._judged(time_phase(self._request, ready, phase, protocol, batch))

    def _judged(self, found: Benchmarked) -> Benchmarked:
        node, options = self._request.node, gate_options.of(self._request.config)
        limits.judge(found, node.get_closest_marker("convbench"), options.fail_on)
        return found

    def _dealt(self, case: Case | None, protocol: MeasurementProtocol) -> MeasurementProtocol:
        if not self.is_measured:
            return protocol
        return session_budget.dealt(self._request.config, self._request.node.name, case, protocol)

    @contextmanager
    def _of_plan(self, plan: KeptPlan) -> Iterator[tuple[ReadyStep, MeasurementProtocol]]:
        (case,) = plan.cases
        protocol = self._dealt(case, plan.protocol)
        if not self.is_measured:
            case = reduced_size.reduced(case)
        with kept_step.kept_by(self._request.config).of(case) as ready:
            yield ready, protocol

    @contextmanager
    def _of_module(
        self,
        module: nn.Module,
        inputs: Any,
        given: dict[str, str],
        loss: Callable[..., Any] | None,
        targets: Any,
    ) -> Iterator[tuple[ReadyStep, MeasurementProtocol]]:
        from bench.child.live_module import live_module

        asked = given["workload"], given["precision"], given["engine"]
        live = live_module(module, inputs, *asked, loss, targets)
        with ready_step.of_module(live) as ready:
            yield ready, self._dealt(None, suite_plan.usual_protocol(ready.device.name))


def _refuse(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise UserError(f"{name} is for a module; a network by name makes its own")


def _refuse_axes(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise UserError(f"{name} is for a network by name; a module is measured where and as it is")


def _refuse_size(image: int | None, inputs: Any) -> None:
    if image is not None and inputs is not None:
        raise UserError("image is the side of random images; inputs have a shape of their own")


def _refuse_others(model: object) -> None:
    """A class of networks is easily given in the place of one."""
    from torch import nn

    if not isinstance(model, nn.Module):
        what = f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"
        raise UserError(f"convbench takes a name or an nn.Module, got {what}")


def _skip_without(asked: Sequence[Value]) -> None:
    for device in asked:
        absent = None if device == "auto" else devices.get(str(device)).why_absent()
        if absent:
            pytest.skip(absent)


def _size(axis: str, given: object) -> int | None:
    """UserError for what is no size."""
    return None if given is None else int(axes.read_one(axis, given))


def _images(module: nn.Module, batch: int, side: int) -> Any:
    """Standard normal, on the device of the module's first parameter."""
    import torch

    place = next((each.device for each in module.parameters()), torch.device("cpu"))
    return torch.randn(batch, _CHANNELS, side, side, device=place)
