"""Which tensor of a network's output counts: the one that a loss takes, and that must be finite.

Networks return a tensor, or a tuple, list, dict, named tuple, dataclass, distribution or an object of their
own that holds some, nested or not. Auxiliary heads stand beside the main one: behind it in a tuple, and
under a name of their own in a dict.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from models.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.distributions import Distribution

_MAIN = ("out", "logits", "output", "outputs", "prediction", "predictions", "pred", "preds", "y")
"""Names of main outputs, the most telling first: torchvision's segmentation networks say `out`, others' and
classifiers' named tuples `logits`."""
_BESIDE = ("aux", "loss")
"""What a name of something beside the main output holds."""
_PARAMETERS = ("logits", "loc", "mean", "base_dist")
"""Of a distribution: what a loss is made of, the first that it has."""

Take = Callable[[Any], Any]


@dataclass(frozen=True)
class MainOutput:
    """The tensor, and where it was.

    name   `logits`, `[0]`, `[1].out`; empty where the output is the tensor
    count  how many tensors the output holds
    take   gives the same tensor of another output of the same structure
    """

    tensor: Tensor
    name: str
    count: int
    take: Take


@dataclass(frozen=True)
class _Place:
    """A tensor of an output, and the way there."""

    tensor: Tensor
    name: str
    way: tuple[Take, ...]

    def take(self, outputs: Any) -> Any:
        for step in self.way:
            outputs = step(outputs)
        return outputs


def main_output(outputs: Any) -> MainOutput:
    """The first tensor of floating-point numbers, those with a usual name of a main output ahead of others
    and auxiliary ones behind them; where gradients are recorded, of those that have one if any has.

    Raises UserError where there is none.
    """
    places = list(_places(outputs))
    found = _preferred(places, lambda tensor: tensor.is_floating_point()) or _preferred(
        places, lambda tensor: tensor.is_complex()
    )
    if found is None:
        raise UserError(
            f"the network returns {described(outputs)}: what counts is a tensor of floating-point numbers, "
            "or the first one in a tuple, list, dict, dataclass or distribution"
        )
    return MainOutput(found.tensor, found.name.removeprefix("."), len(places), found.take)


def refuse_without_tensor(outputs: Any) -> None:
    """UserError for an output in which there is none, of any type."""
    if not any(_places(outputs)):
        raise UserError(f"the network returns {described(outputs)}: what is measured gives a tensor")


def why_not_finite(outputs: Any) -> str | None:
    """A sentence where the main output holds a NaN or an infinite number; waits for the device."""
    if not any(place.tensor.is_floating_point() or place.tensor.is_complex() for place in _places(outputs)):
        return None  # labels, masks
    main = main_output(outputs)
    count, size = int(main.tensor.isfinite().logical_not().sum()), main.tensor.numel()
    named = f"output {main.name}".rstrip()
    return f"{count:,} of the {size:,} numbers of the {named} are not finite" if count else None


def _preferred(places: Sequence[_Place], counts: Callable[[Tensor], bool]) -> _Place | None:
    found = [place for place in places if counts(place.tensor)]
    found = [place for place in found if place.tensor.requires_grad] or found
    found = [place for place in found if place.tensor.ndim] or found
    return found[0] if found else None


def described(outputs: Any) -> str:
    """In words: `a tensor of int64 and shape (8, 10)`, `a dict without a tensor`."""
    from torch import Tensor

    tensors = [place.tensor for place in _places(outputs)]
    if isinstance(outputs, Tensor):
        return f"a tensor of {_short(outputs.dtype)} and shape {tuple(outputs.shape)}"
    if outputs is None:
        return "nothing (None)"
    kind = f"an object of type {type(outputs).__name__}"
    dtypes = ", ".join(dict.fromkeys(_short(tensor.dtype) for tensor in tensors))
    return f"{kind} with tensors of {dtypes} only" if tensors else f"{kind} without a tensor"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _places(
    value: Any, name: str = "", way: tuple[Take, ...] = (), around: tuple[int, ...] = ()
) -> Iterator[_Place]:
    """Every tensor of an output, the likelier main one first; `around` are the containers that hold it."""
    from torch import Tensor

    if isinstance(value, Tensor):
        yield _Place(value, name, way)
    elif id(value) not in around:  # objects may lead back to themselves
        for called, step, part in _parts(value):
            yield from _places(part, name + called, (*way, step), (*around, id(value)))


def _parts(value: Any) -> Iterable[tuple[str, Take, Any]]:
    """What a container holds: its name there, the way to it, and itself."""
    from torch.distributions import Distribution

    if isinstance(value, Mapping):
        by_rank = sorted(value, key=lambda key: _rank(str(key)))
        return [
            (f".{key}" if _is_name(key) else f"[{key!r}]", itemgetter(key), value[key]) for key in by_rank
        ]
    if isinstance(value, Distribution):
        return _parameters(value)
    fields = _fields(value)
    if fields:
        return [(f".{each}", attrgetter(each), getattr(value, each)) for each in sorted(fields, key=_rank)]
    if isinstance(value, tuple | list):
        return [(f"[{index}]", itemgetter(index), part) for index, part in enumerate(value)]
    return []


def _is_name(key: object) -> bool:
    return isinstance(key, str) and key.isidentifier()


def _rank(name: str) -> int:
    """Where a name stands: usual ones of main outputs, then others in their order, then auxiliary ones."""
    low = name.lower()
    if low in _MAIN:
        return _MAIN.index(low)
    return len(_MAIN) + any(word in low for word in _BESIDE)


def _fields(value: Any) -> list[str]:
    """The attributes of a named tuple, a dataclass or another object of a class that is not Python's own."""
    from torch.nn import Module

    if isinstance(value, tuple):
        return list(getattr(value, "_fields", ()))
    if dataclasses.is_dataclass(value):
        return [each.name for each in dataclasses.fields(value) if hasattr(value, each.name)]
    if isinstance(value, Module | type) or callable(value):
        return []
    slots = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    return [*getattr(value, "__dict__", ()), *(name for name in slots if hasattr(value, name))]


def _parameters(distribution: Distribution) -> Iterator[tuple[str, Take, Any]]:
    """The parameter that a loss takes; what a distribution does not have, it refuses in several ways."""
    for name in _PARAMETERS:
        try:
            yield f".{name}", attrgetter(name), getattr(distribution, name)
        except (AttributeError, NotImplementedError):
            continue
        return
