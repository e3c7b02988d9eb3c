"""What each job of several ranks measured, without its samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct, structs

from bench import devices
from bench.schema.case import Case
from bench.schema.ranks import WITHOUT_COMMUNICATION, LinkSamples, RankFacts, Traffic
from bench.schema.record import Record
from bench.stats.scaling import RankSeconds, StepParts, parts_of
from reports.summary.record_stream import read_records


class RankedJob(Struct, frozen=True, kw_only=True):
    """One job, which is one record.

    case   with replicate 0
    parts  of its step; None where `why_no_parts` says why
    ranks  without their samples
    """

    case: Case
    replicate: int
    parts: StepParts | None
    why_no_parts: str = ""
    ranks: tuple[RankFacts, ...]
    links: tuple[LinkSamples, ...]
    traffic: tuple[Traffic, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """Each once, in the order of the ranks."""
        return tuple(dict.fromkeys(rank.host for rank in self.ranks))

    @property
    def shares_a_host(self) -> bool:
        """Whether ranks run on one processor, and so take memory bandwidth and cores from each other."""
        return devices.traits(self.case.device).is_host and len(self.hosts) < len(self.ranks)


NOT_IN_RECORD = "the record does not have it"


def ranked_jobs(directories: Sequence[Path]) -> tuple[RankedJob, ...]:
    """Of all records that ended well and have ranks. Raises UserError as reading does."""
    return tuple(_jobs(directories))


def _jobs(directories: Sequence[Path]) -> Iterator[RankedJob]:
    for _, record in read_records(directories, warn=lambda _: None):
        if record.ranks and record.status == "ok":
            yield job_of(record)


def job_of(record: Record) -> RankedJob:
    """Of a record that has ranks."""
    parts = parts_of([_seconds(rank) for rank in record.ranks])
    reason = record.absent.get(WITHOUT_COMMUNICATION, NOT_IN_RECORD)
    return RankedJob(
        case=record.case.without_replicate(),
        replicate=record.case.replicate,
        parts=parts,
        why_no_parts="" if parts else reason,
        ranks=tuple(_bare(rank) for rank in record.ranks),
        links=record.links,
        traffic=record.traffic,
    )


def _seconds(rank: RankFacts) -> RankSeconds:
    return RankSeconds(
        step=rank.step_seconds,
        pair_step=rank.pair_step_seconds,
        pair_quiet=rank.pair_quiet_seconds,
    )


def _bare(rank: RankFacts) -> RankFacts:
    return structs.replace(rank, step_seconds=(), pair_step_seconds=(), pair_quiet_seconds=())
