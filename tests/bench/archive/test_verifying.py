"""Verify reads all of an archive and changes nothing."""

from __future__ import annotations

from pathlib import Path

from bench.archive import archive_folder, entries, names, verifying
from bench.schema.case import Case
from tests.planted import planted_records


def test_damage_is_told_by_run_and_names_without_one_too(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    digests = []
    for number in (1, 2, 3):
        records = planted_records.replicates(Case(model="vgg11"), [number / 10])
        digests.append(
            entries.add(archive, planted_records.write(tmp_path / str(number), records)).entry.digest
        )
    assert verifying.verify(archive).damaged == ()
    names.pin(archive, "gone", digests[2])
    archive_folder.remove_entry(archive, digests[2])
    contents = archive / "entries" / digests[0] / "contents.xz"
    contents.write_bytes(contents.read_bytes()[:-1] + b"!")
    found = verifying.verify(archive)
    assert [digest for digest, _ in found.damaged] == [digests[0]]
    assert (found.entries, found.dangling) == (2, ("gone",))
    assert verifying.verify(archive, [digests[1]]).damaged == ()
