"""In the child: the precision that was really in force: the device's flags, and dtypes."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from msgspec import structs
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.hooks import RemovableHandle

from bench import engines
from bench.child.collected import Pass
from bench.child.weights import dtypes
from bench.contracts.device import Device
from bench.probes.meta_modules import CONVOLUTIONS, TRANSPOSED, unfilled
from bench.schema.case import Case
from bench.schema.record import Effective, Measurement
from bench.tensors import autocast
from models import process_state
from models.network import Arguments

LAYERS = {"conv_output": (*CONVOLUTIONS, *TRANSPOSED), "linear_output": (nn.Linear,)}
"""What is read back -> the layers of which the first that runs tells it."""


class InForce:
    """What is in force in a process that measures a module.

    The dtypes are those of the case's own first step: a forward more could change the network, and with other
    images than the case's it could fail. Compiled code calls no layer: what it came from is run on shapes
    alone then, which may fail, and so comes after the timing (`infer`).
    """

    def __init__(self, device: Device, module: nn.Module, case: Case) -> None:
        """Reads the flags, and watches the layers that an engine calls until the module has run once."""
        self.needs_inference = engines.get(case.engine).compiles
        self._read = device.read_back()
        self.settings = process_state.read()
        self.case, self._module, self._device_type = case, module, device.torch_type()
        self.inputs = ""
        self._dtypes = {"weights": dtypes(module)}
        if not self.needs_inference:
            self._watch(module)

    def effective(self) -> Effective:
        """What is known by now."""
        precision = {**self._read.precision, **self._dtypes}
        return structs.replace(self._read, precision=precision, inputs=self.inputs)

    def infer(self, arguments: Arguments) -> list[Measurement]:
        """Reads the dtypes that uncompiled code gives off a forward without data, and so measures nothing.
        Raises what the module does."""
        with FakeTensorMode(allow_fallback_kernels=False), torch.no_grad():
            copied, given = unfilled(self._module, arguments)
            self._watch(copied)
            with autocast(self.case.precision, self._device_type):
                given.call(copied)
        return []

    def _watch(self, module: nn.Module) -> None:
        """No hook is left once the module has run: with one, attention takes another way through torch."""
        hooks: list[RemovableHandle] = []

        def end(*_: Any) -> None:
            for hook in hooks:
                hook.remove()

        for key, kinds in LAYERS.items():

            def see(_: nn.Module, inputs: Any, output: Any, key: str = key) -> None:
                if isinstance(output, torch.Tensor):
                    self._dtypes.setdefault(key, _short(output.dtype))

            layers = (part for part in module.modules() if isinstance(part, kinds))
            hooks += [layer.register_forward_hook(see) for layer in layers]
        hooks.append(module.register_forward_hook(end, always_call=True))


def inferred(in_force: InForce, arguments: Arguments) -> Pass:
    """What a compiled case takes its dtypes from."""
    return Pass("dtypes", tuple(LAYERS), partial(in_force.infer, arguments))


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
