"""Which cases of a run have a process that said what one process says for all: counts, ledger, sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
from msgspec import structs

from bench.runner.run_options import RunOptions
from bench.schema.case import TIMED, Case
from bench.schema.record import Environment, Record
from bench.schema.step_digest import stepped

MOST_ASKED = 2
"""Processes that end well without having said them, before no further one is asked: it would say the same."""


class KnownFacts:
    """Of some records; those of this sitting are told by `learn`.

    A process that ended well has said them, for its case and its machine, unless one of its passes failed:
    then the next one is asked. Which accelerator an earlier sitting had is not known before a process has
    asked the driver, so that its cases are asked anew.
    """

    def __init__(self, earlier: Iterable[Record] = ()) -> None:
        self._known: set[tuple[Case, bytes]] = set()
        self._digested: set[tuple[Case, bytes]] = set()
        self._failed: Counter[tuple[Case, bytes]] = Counter()
        for record in earlier:
            self.learn_earlier(record)

    def of(self, case: Case, environment: Environment) -> bool:
        """Whether no process of this case need be asked, whatever its replicate, on this machine."""
        return (case.without_replicate(), _machine(environment)) in self._known

    def lack(self, cases: Iterable[Case], environment: Environment) -> bool:
        """Whether a process of one of these must be asked."""
        return any(case.workload in TIMED and not self.of(case, environment) for case in cases)

    def asked(self, options: RunOptions, case: Case, environment: Environment) -> RunOptions:
        """Without the deterministic step where a process has made it already: several cases may share one."""
        known = (stepped(case), _machine(environment)) in self._digested
        return structs.replace(options, step_digest=options.step_digest and not known)

    def learn_earlier(self, record: Record) -> None:
        """What a record of an earlier sitting says of its case."""
        if record.environment is not None and record.environment.gpu is None:
            self.learn(record)

    def learn(self, record: Record) -> None:
        """What a record says of its case."""
        ended = record.status == "ok" and record.case.workload in TIMED
        if not ended or record.environment is None:
            return
        if record.step_digest is not None:
            self._digested.add((stepped(record.case), _machine(record.environment)))
        of = record.case.without_replicate(), _machine(record.environment)
        if of not in self._known and not record.facts:
            self._failed[of] += 1
        if record.facts or self._failed[of] >= MOST_ASKED:
            self._known.add(of)


def _machine(environment: Environment) -> bytes:
    """Whichever GPU it is: a child looks for that, and its parent does not."""
    return msgspec.json.encode(structs.replace(environment, gpu=None, commit=None))
