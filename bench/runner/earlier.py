"""What a run needs of the records that its folder holds already: each of them is read once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.runner import machines
from bench.runner.facts import KnownFacts
from bench.runner.precision import Precision
from bench.runner.resumed_networks import RecordedNetworks
from bench.runner.rounds import Schedule, Target
from bench.schema.case import TIMED, Caches, Case, MeasurementProtocol
from bench.schema.kept_plan import Machine
from bench.schema.record import Record
from models.errors import UserError


class Earlier:
    """Of a folder without records, until `take` is called; `begin` follows the last of them.

    schedule  what is to be run
    known     which cases need not say again what one process says for all
    networks  what the planned networks were
    machine   on which the run began; None where no record says it
    """

    def __init__(self, planned: Sequence[Case], target: Target | None) -> None:
        self.schedule = Schedule(planned, (), target, Precision())
        self.known = KnownFacts()
        self.networks = RecordedNetworks(planned)
        self.machine: Machine | None = None
        self._times_anything = any(case.workload in TIMED for case in planned)
        self._caches: Caches | None = None

    def take(self, record: Record) -> None:
        """The next record, in the order of the file."""
        self.schedule.add_earlier(record)
        self.known.learn_earlier(record)
        self.networks.take(record)
        self.machine = machines.known_with(self.machine, record)
        if self._caches is None and record.case.workload in TIMED:
            self._caches = record.protocol.caches

    def begin(self, protocol: MeasurementProtocol, directory: Path) -> None:
        """To be called after the last record. UserError where its times have warm caches and those to come a
        cold L2, or the other way round: no report could pool them."""
        self.schedule.begin()
        if self._caches not in (None, protocol.caches) and self._times_anything:
            other = "warm caches" if self._caches == "warm" else "a cold L2 (--flush-l2)"
            raise UserError(f"{directory} has times with {other}. Choose another --out for the other kind")
