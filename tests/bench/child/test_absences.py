"""What a record lacks, and the warning that says why."""

from __future__ import annotations

from bench.child import absences
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Measurement


def test_a_machine_that_does_not_say_who_was_at_work_lacks_both_shares_for_that_reason() -> None:
    why = "/proc/stat cannot be read: load by other programs is unknown"
    assert absences.told_by([CaseWarning("no-others", why)], []) == {
        "steal_share": why,
        "others_share": why,
    }


def test_what_was_found_is_not_absent() -> None:
    found = [Measurement(phase="window", metric="others_share", unit="1", samples=[0.1])]
    assert absences.told_by([CaseWarning("no-others", "later")], found) == {"steal_share": "later"}
