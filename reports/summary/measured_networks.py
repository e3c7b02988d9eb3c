"""Which networks stand behind one name: records of two of them are never pooled, and a sentence says why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.schema.case import Case
from bench.schema.network_fingerprint import NetworkFingerprint, changed_sources, difference, same_network
from bench.store import RECORDS, read_records
from reports.summary.figures import Figure, MeasuredNetwork
from reports.summary.subjects import Subject

UNRECORDED = "not recorded"
"""The label of records without a fingerprint where the others are of several networks."""

_Inputs = tuple[object, ...]
"""`Case.inputs`."""


class Networks:
    """The networks of some records, each name's told apart by the labels `1`, `2` ... in their order."""

    def __init__(self, cases: Iterable[tuple[Case, Iterable[NetworkFingerprint | None]]]) -> None:
        """`cases` have those of their processes that ended well."""
        self._kinds: dict[_Inputs, list[_Kind]] = {}
        found = [
            MeasuredNetwork(case, fingerprint)
            for case, fingerprints in cases
            for fingerprint in {id(each): each for each in fingerprints if each is not None}.values()
        ]
        # FLOPs tell kinds apart, and are asked of one process of a case: the others belong to one of these
        for each in sorted(found, key=lambda each: each.fingerprint.flops is None):
            _add(self._kinds.setdefault(each.case.inputs, []), each)

    @property
    def measured(self) -> tuple[MeasuredNetwork, ...]:
        """All of them, those of one name together."""
        return tuple(each for kinds in self._kinds.values() for kind in kinds for each in kind.members)

    def label(self, case: Case, fingerprint: NetworkFingerprint | None) -> str:
        """Of a process; empty where its name stands for one network."""
        kinds = self._kinds.get(case.inputs, [])
        if len(kinds) < 2:
            return ""
        if fingerprint is None:
            return UNRECORDED
        own = MeasuredNetwork(case, fingerprint)
        return next(str(number) for number, kind in enumerate(kinds, start=1) if own in kind.members)

    def notes(self) -> Iterator[str]:
        """A sentence for each name of several networks, and one where the source alone differs."""
        for kinds in self._kinds.values():
            first = kinds[0].first
            model = first.case.model
            for number, kind in enumerate(kinds[1:], start=2):
                told = difference(first.fingerprint, kind.first.fingerprint)
                yield f"{model} is two networks in these records, never pooled: network 1 / {number}: {told}."
            for kind in kinds:
                yield from _source_note(model, tuple(kind.members), tuple(kind.members))


def is_same_network(one: Figure | Subject, other: Figure | Subject) -> bool:
    """Whether two rows of one model are of one network; rows of two models are compared for what they are."""
    return one.case.model != other.case.model or one.network == other.network


def networks_in(directory: Path) -> tuple[MeasuredNetwork, ...]:
    """Those of a run's records. UserError as `bench.store.read_records` raises it."""
    ended = (record for record in read_records(directory / RECORDS) if record.status == "ok")
    return Networks((record.case.without_replicate(), [record.fingerprint]) for record in ended).measured


def differences(base: Sequence[MeasuredNetwork], new: Sequence[MeasuredNetwork], names: str) -> Iterator[str]:
    """A sentence for each model that is another network on the other side, or comes from another source;
    `names` are those of the sides: `BASE / NEW`."""
    told: set[_Inputs] = set()
    mine_of, theirs_of = _by_inputs(base), _by_inputs(new)
    for mine in base:
        key = mine.case.inputs
        theirs = theirs_of.get(key, []) if key not in told else []
        other = next((each for each in theirs if not _is_one(mine, each)), None)
        if other is not None:
            told.add(key)
            words = difference(mine.fingerprint, other.fingerprint)
            yield f"{mine.case.model} is another network on each side, {names}: {words}."
    for key, mine_here in mine_of.items():
        if key not in told:
            yield from _source_note(mine_here[0].case.model, mine_here, theirs_of.get(key, []))


def _by_inputs(measured: Iterable[MeasuredNetwork]) -> dict[_Inputs, list[MeasuredNetwork]]:
    found: dict[_Inputs, list[MeasuredNetwork]] = {}
    for each in measured:
        found.setdefault(each.case.inputs, []).append(each)
    return found


class _Kind:
    """Records of one network: in `members`, in their order, without those that are equal to another."""

    def __init__(self, first: MeasuredNetwork) -> None:
        self.first = first
        self.members: dict[MeasuredNetwork, None] = {}
        self._flops: dict[tuple[str, int], int] = {}

    def takes(self, found: MeasuredNetwork) -> bool:
        """Whether it is this network, as `same_network` has it of each member; then it is one of them."""
        own = found.fingerprint.flops
        if not same_network(self.first.fingerprint, found.fingerprint, same_work=False):
            return False
        if own is not None and self._flops.setdefault(_work(found), own) != own:
            return False
        self.members.setdefault(found)
        return True

    def is_from_files_of(self, found: MeasuredNetwork) -> bool:
        """Whether a member came from the same text."""
        return any(each.fingerprint.sources == found.fingerprint.sources for each in self.members)


def _add(kinds: list[_Kind], found: MeasuredNetwork) -> None:
    """To the kind of which it is, first to one from the same files, or as another one."""
    likely = sorted(kinds, key=lambda kind: not kind.is_from_files_of(found)) if len(kinds) > 1 else kinds
    if not any(kind.takes(found) for kind in likely):
        kinds.append(_Kind(found))
        kinds[-1].takes(found)


def _work(measured: MeasuredNetwork) -> tuple[str, int]:
    """FLOPs can be compared where the same batch went through the same workload."""
    return measured.case.workload, measured.case.batch


def _is_one(one: MeasuredNetwork, other: MeasuredNetwork) -> bool:
    return same_network(one.fingerprint, other.fingerprint, same_work=_work(one) == _work(other))


def _source_note(
    model: str, one: Sequence[MeasuredNetwork], other: Sequence[MeasuredNetwork]
) -> Iterator[str]:
    """Nothing where the same files made both, or it is not known."""
    files = {
        path: None
        for mine in one[:1]
        for theirs in other
        if mine.fingerprint.sources and theirs.fingerprint.sources
        for path in changed_sources(mine.fingerprint, theirs.fingerprint)
    }
    if files:
        listed = ", ".join(files)
        yield f"The source of {model} changed between its records ({listed}), and not the network it builds."
