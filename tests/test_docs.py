"""What the pages of docs/ say of the code is so: layers, paths, links."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

pytest.importorskip("yaml")

import yaml

from bench.schema.case_warnings import Label
from tests.planted.commands import ROOT

DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
OF_A_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

Layers = list[list[str]]
"""Top to bottom; modules of one layer may not import each other."""


def contracts() -> list[Layers]:
    """The layers that the linter enforces, without the rooms that have no file yet."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layered = [contract["layers"] for contract in rules["contracts"] if contract["type"] == "layers"]
    return [[kept for layer in layers if (kept := _existing(layer))] for layers in layered]


def _existing(layer: str) -> list[str]:
    names = (name.strip() for name in layer.split("|"))
    return [name for name in names if not name.startswith("(")]


def pictures() -> list[Layers]:
    """The pictures of the layers: names at the beginning of each line, and words after two blanks."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    return [[re.split(r" {2,}", line)[0].split(" | ") for line in block.splitlines()] for block in blocks]


def test_the_pictures_of_the_layers_are_the_contracts() -> None:
    assert pictures() == contracts()


def named_paths(page: Path) -> list[str]:
    """The paths of this repository that a page names, `{a,b}` written out; capitals stand for any name."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"`((?:bench|models|reports|tests|docs|examples)/[\w./{},*-]*)`", text)
    return [path for each in found for path in written_out(each) if not re.search(r"[A-Z]{2}|\bP/", path)]


def written_out(path: str) -> list[str]:
    parts = re.split(r"\{(.*?)\}", path)
    choices = (part.split(",") if index % 2 else [part] for index, part in enumerate(parts))
    return ["".join(chosen) for chosen in itertools.product(*choices)]


@pytest.mark.parametrize("page", ["docs/glossary.md", "docs/method.md"])
def test_a_page_explains_every_label(page: str) -> None:
    """`other` is what older records said in words."""
    text = (ROOT / page).read_text(encoding="utf-8")
    rows = " ".join(re.findall(r"^\| (`[a-z`, -]+`) \|", text, re.MULTILINE))
    assert set(get_args(Label)) - set(re.findall("`(.*?)`", rows)) == {"other"}


@OF_A_PAGE
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    assert [path for path in named_paths(page) if not any(ROOT.glob(path.rstrip("/")))] == []


def test_paths_are_found_in_a_page() -> None:
    assert written_out("bench/{a,b}.py") == ["bench/a.py", "bench/b.py"]
    assert "bench/host/cpu_cores.py" in named_paths(DOCS / "method.md")


@OF_A_PAGE
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        found = page.parent / file if file else page
        assert found.exists(), target
        if heading:
            assert heading in headings(found), target


def headings(page: Path) -> list[str]:
    """What links call the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


def test_the_index_has_every_page() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} - {"index.md"}
    assert [name for name in pages if f"]({name})" not in index] == []


def test_the_site_has_every_page() -> None:
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert [name for name in pages if f": {name}\n" not in contents] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("name", ["bug.yml", "wrong-number.yml", "new-network-or-device.yml"])
def test_an_issue_form_is_one_that_the_code_host_takes(name: str) -> None:
    """It shows no form at all where a field lacks its label, or two have one id."""
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / name).read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    assert all(field["attributes"]["label"] for field in form["body"])


def test_the_citation_names_the_latest_release() -> None:
    """And the changelog has the same date for it."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## (\d\S*) - (\S+)$", changelog, re.MULTILINE)
    assert (cited["version"], cited["date-released"]) == released[0]
    assert {"message", "title", "authors", "license", "cff-version"} <= cited.keys()
