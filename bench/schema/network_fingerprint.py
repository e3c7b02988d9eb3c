"""By what a record says which network was measured, and in words where two of them differ; no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct


class Part(Struct, frozen=True, array_like=True):
    """A module inside the network, or the network itself under the name "".

    kind    class and settings as a person knows them: `Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))`
    digest  of its class, settings, parameters and buffers, and of all that is below it
    """

    name: str
    kind: str
    digest: str


class SourceFile(Struct, frozen=True, array_like=True):
    """A file of the user's that the network came from: its path from the package's folder, and its digest."""

    path: str
    digest: str


class NetworkFingerprint(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The network of a record, as it was loaded: before precision, layout and engine changed it.

    structure   digest of the tree of modules: names, classes, and settings such as strides and groups
    weights     digest of names, shapes, dtypes and trainability of parameters and buffers, not of values
    parameters  elements of all parameters, each counted once; `trainable` of those that need a gradient
    modules     in the tree, the root included
    parts       the modules nearest the root, at most 64 of them
    flops       forward, of the case's batch; None where they could not be counted
    sources     of a user's own network; empty where a library or convbench defines it
    """

    structure: str
    weights: str
    parameters: int
    trainable: int
    modules: int
    parts: tuple[Part, ...] = ()
    flops: int | None = None
    sources: tuple[SourceFile, ...] = ()


def same_network(one: NetworkFingerprint, other: NetworkFingerprint, *, same_work: bool = True) -> bool:
    """Whether two records are of one network, whatever its source says.

    `same_work`: both took the same batch in the same workload, so that FLOPs may be compared too.
    """
    if (one.structure, one.weights) != (other.structure, other.weights):
        return False
    return not same_work or None in (one.flops, other.flops) or one.flops == other.flops


def difference(one: NetworkFingerprint, other: NetworkFingerprint) -> str:
    """`parameters 314 / 618; first difference: conv is Conv2d(3, 8, ...) / Conv2d(3, 16, ...)`"""
    counts = (
        ("parameters", one.parameters, other.parameters),
        ("trainable parameters", one.trainable, other.trainable),
        ("modules", one.modules, other.modules),
        ("FLOPs forward", one.flops, other.flops),
    )
    told = [f"{name} {a:,} / {b:,}" for name, a, b in counts if a is not None and b is not None and a != b]
    if one.parameters != other.parameters:  # then so many fewer or more of them are trainable, too
        told = [words for words in told if not words.startswith("trainable")]
    return "; ".join([*told, *_first_part(one, other)])


def changed_sources(one: NetworkFingerprint, other: NetworkFingerprint) -> tuple[str, ...]:
    """The files whose text differs, or that only one of the two came from."""
    first, second = ({each.path: each.digest for each in side.sources} for side in (one, other))
    return tuple(path for path in dict.fromkeys((*first, *second)) if first.get(path) != second.get(path))


def _first_part(one: NetworkFingerprint, other: NetworkFingerprint) -> Iterator[str]:
    """The first module that differs, and none below it that is listed."""
    mine, theirs = ({part.name: part for part in side.parts} for side in (one, other))
    names = [name for name in dict.fromkeys((*mine, *theirs)) if _digest(mine, name) != _digest(theirs, name)]
    lowest = (name for name in names if not any(_is_below(each, name) for each in names))
    for name in sorted(lowest, key=[*mine, *theirs].index)[:1]:
        yield f"first difference: {_compared(name or 'the network', mine.get(name), theirs.get(name))}"


def _digest(parts: Mapping[str, Part], name: str) -> str | None:
    return parts[name].digest if name in parts else None


def _is_below(name: str, upper: str) -> bool:
    return name != upper and (not upper or name.startswith(f"{upper}."))


def _compared(name: str, mine: Part | None, theirs: Part | None) -> str:
    if mine is None or theirs is None:
        kind = (mine or theirs or Part("", "", "")).kind
        return f"{name}, {kind}, is in {'the first' if mine else 'the second'} alone"
    if mine.kind != theirs.kind:
        return f"{name} is {mine.kind} / {theirs.kind}"
    return f"{name}, {mine.kind} in both, has other settings, shapes, dtypes or trainability"
