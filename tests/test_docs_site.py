"""The documentation site: its pages, and that it builds without a dead link or anything from outside."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from tests.planted.commands import ROOT
from tests.test_gpu_trial import loaded


def gathered(root: Path) -> dict[str, str | None]:
    site = loaded("docs_site")
    return {str(site.place(file)): text for file, text in site.gathered(root).items()}


def test_pages_outside_of_docs_come_along_with_what_they_link_to(tmp_path: Path) -> None:
    for name, text in {
        "docs/index.md": "[log](../CHANGELOG.md#today) [flow](../.github/flow.yml) [other](https://example.org/x.md)",
        "docs/cookbook/a.md": '[up](../index.md) <img src="../../plots/a.svg">',
        "CHANGELOG.md": "[home](docs/index.md)\n\n<details>\n\nmore\n\n</details>\n",
        ".github/flow.yml": "on: push",
        "plots/a.svg": "<svg/>",
        "unlinked.md": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert gathered(tmp_path) == {
        "index.md": (
            "[log](repository/CHANGELOG.md#today) [flow](repository/github/flow.yml) [other](https://example.org/x.md)"
        ),
        "cookbook/a.md": '[up](../index.md) <img src="../repository/plots/a.svg">',
        "repository/CHANGELOG.md": "[home](../index.md)\n\n<details markdown>\n\nmore\n\n</details>\n",
        "repository/github/flow.yml": None,
        "repository/plots/a.svg": None,
    }


def test_published_reports_and_the_files_of_the_repository_are_in_the_site() -> None:
    pages = gathered(ROOT)
    assert {"index.md", "tutorial.md", "commands.md", "cookbook/upgrade.md"} <= pages.keys()
    published = {
        f"repository/reports/published/{page.name}" for page in (ROOT / "reports/published").glob("*.md")
    }
    assert {"repository/CHANGELOG.md", "repository/SECURITY.md", *published} <= pages.keys()
    assert not any(re.search(r"(^|/)\.", str(PurePosixPath(name))) for name in pages)


def built(folder: Path) -> subprocess.CompletedProcess[str]:
    # With --quiet mkdocs does not see its own warnings, and no link would ever be dead.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the site's settings and its pages."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    loaded("docs_site").write(ROOT, folder / "build" / "pages")
    return folder


@pytest.mark.slow
def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(checkout: Path) -> None:
    done = built(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    site = checkout / "build" / "site"
    loads = re.compile(
        r'<(?:script|img|iframe|source)[^>]* src(?:set)?="(?:https?:)?//|<link[^>]* href="https?://[^>]*'
        r'(?:stylesheet|preconnect)|rel="(?:stylesheet|preconnect)"[^>]* href="(?:https?:)?//'
    )
    pages = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    assert {site / "index.html", site / "cookbook" / "upgrade.html", site / "commands.html"} <= pages.keys()
    assert [str(page) for page, text in pages.items() if loads.search(text)] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("link", "said"),
    [("[gone](cookbook/gone.md)", "cookbook/gone.md"), ("[lost](glossary.md#no-such-word)", "no-such-word")],
)
def test_a_dead_link_fails(checkout: Path, tmp_path: Path, link: str, said: str) -> None:
    settings = (checkout / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[0]
    (tmp_path / "mkdocs.yml").write_text(settings)
    (tmp_path / "build" / "pages").mkdir(parents=True)
    (tmp_path / "build" / "pages" / "index.md").write_text(f"# Home\n\n{link}\n")
    (tmp_path / "build" / "pages" / "glossary.md").write_text("# Glossary\n")
    done = built(tmp_path)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
