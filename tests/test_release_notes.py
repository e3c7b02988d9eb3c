"""`.ci/release_notes.py`: a release is published under its own notes, or not at all."""

from __future__ import annotations

import tomllib

import pytest

from tests.planted.commands import ROOT
from tests.test_gpu_trial import loaded

PYPROJECT = '[project]\nversion = "0.2.0"\n'
CHANGELOG = """\
# Changelog

## Unreleased

- b

## 0.2.0 - 2026-12-01

- a

## 0.1.0 - 2026-11-23

- first
"""


def test_the_notes_are_the_section_of_the_version() -> None:
    assert loaded("release_notes").notes("v0.2.0", PYPROJECT, CHANGELOG) == "- a\n"


@pytest.mark.parametrize(
    ("tag", "changelog", "said"),
    [
        ("v0.2.1", CHANGELOG, "the tag is v0.2.1, but the version in pyproject.toml is 0.2.0"),
        ("v0.2.0", "## Unreleased\n\n- a\n", "no section '## 0.2.0 - YYYY-MM-DD'"),
        ("v0.2.0", "## 0.2.0\n\n- a\n", "no section"),
        ("v0.2.0", "## 0.2.0 - 2026-12-01\n\n## 0.1.0 - 2026-11-23\n\n- first\n", "no section"),
    ],
)
def test_a_release_without_its_notes_is_refused(tag: str, changelog: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        loaded("release_notes").notes(tag, PYPROJECT, changelog)


def test_the_version_of_today_has_notes() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = tomllib.loads(pyproject)["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert loaded("release_notes").notes(f"v{version}", pyproject, changelog).startswith("The first version")
