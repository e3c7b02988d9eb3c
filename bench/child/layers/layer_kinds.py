"""A module's layers, and what kind each of them is, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from torch import nn

from bench.schema.layer_phases import Layer


def layers_of(module: nn.Module, computing: Collection[nn.Module] = ()) -> Iterator[tuple[Layer, nn.Module]]:
    """Every module without children, with weights of its own or among the `computing` ones, which do more
    than call their children; once, by its first name. The network itself has its class's."""
    for name, part in module.named_modules():
        childless = next(part.children(), None) is None
        if childless or part in computing or next(part.parameters(recurse=False), None) is not None:
            yield Layer(name or type(part).__name__, kind_of(part)), part


def kind_of(part: nn.Module) -> str:
    """`Conv2d 3->64, 11x11/4`, `MaxPool2d 3x3/2`, `Linear 9216->4096`, `ReLU`."""
    kind = type(part).__name__
    match part:
        case nn.Linear():
            return f"{kind} {part.in_features}->{part.out_features}"
        case nn.modules.conv._ConvNd():
            groups = f", groups {part.groups}" if part.groups > 1 else ""
            window = _window(part.kernel_size, part.stride)
            return f"{kind} {part.in_channels}->{part.out_channels}, {window}{groups}"
        case nn.MaxPool2d() | nn.AvgPool2d():
            return f"{kind} {_window(part.kernel_size, part.stride)}"
        case nn.AdaptiveAvgPool2d():
            return f"{kind} {_by(part.output_size)}"
        case nn.BatchNorm2d():
            return f"{kind} {part.num_features}"
    return kind


def _window(kernel: object, stride: object) -> str:
    """Kernel and stride as `models.closed_form` writes them: `11x11/4`, `3x3`."""
    step = sorted(set(stride)) if isinstance(stride, tuple) else [stride]
    return _by(kernel) + ("" if step == [1] else "/" + "x".join(map(str, step)))


def _by(size: object) -> str:
    """`3x3`, of (3, 3) or of 3 for both sides."""
    return "x".join(map(str, size)) if isinstance(size, tuple) else f"{size}x{size}"
