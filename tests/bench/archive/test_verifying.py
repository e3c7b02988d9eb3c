"""Verify reads all of an archive and changes nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from bench.archive import archive_folder, entries, names, verifying
from bench.archive.archive_folder import ENTRY, SUMS
from bench.schema.archive_entry import FACTS_VERSION, Entry
from bench.schema.case import Case
from bench.store import write_json
from tests.planted import planted_records
from tests.planted.golden import Golden

ROOT = Path(__file__).parents[3] / "tests"


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


@pytest.mark.parametrize(("version", "is_sound"), [(FACTS_VERSION, False), (FACTS_VERSION + 1, True)])
def test_facts_of_another_version_are_no_damage(tmp_path: Path, version: int, is_sound: bool) -> None:
    """Of the same version they are: nothing else says them otherwise."""
    archive = tmp_path / "archive"
    run = planted_records.write(tmp_path / "run", planted_records.replicates(Case(model="vgg11"), [0.1]))
    entry = entries.add(archive, run).entry
    other = structs.replace(entry.facts, cases=())
    folder = archive_folder.entry_folder(archive, entry.digest)
    write_json(folder / ENTRY, structs.replace(entry, facts=other, facts_version=version))
    names_of = ("contents.xz", ENTRY)
    (folder / SUMS).write_text("".join(f"{entries.digest_of(folder / name)}  {name}\n" for name in names_of))
    assert (entries.problems_of(archive, entry.digest) == []) is is_sound


def test_facts_of_a_kept_run_are_as_they_were(tmp_path: Path, golden: Golden) -> None:
    """If they have changed, raise FACTS_VERSION, or older archives are called damaged."""
    added = entries.add(tmp_path / "archive", ROOT / "fixtures" / "schema_4_planted")
    facts = msgspec.json.format(msgspec.json.encode((added.entry.facts_version, added.entry.facts)), indent=1)
    golden.check(ROOT / "golden" / "archive-facts.json", facts.decode() + "\n")


def test_an_entry_without_a_version_is_of_the_first() -> None:
    assert Entry(label="", added_at="", source="", files=(), facts=None).facts_version == 1  # type: ignore[arg-type]
