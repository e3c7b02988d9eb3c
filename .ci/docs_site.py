"""Gathers the pages of the documentation site in one folder, from which a site generator builds it.

    python .ci/docs_site.py build/pages && python -m mkdocs build --strict

The pages are those of docs/ and what they link to elsewhere in the repository, such as the changelog and
the published reports with their plots. These go below `repository/`, and links are rewritten to match. A
link to a missing file stays one, so that the strict build fails.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
HOME = PurePosixPath("docs")
LINK = re.compile(r'(?<=\]\()[^)\s]+|(?<= src=")[^"]+|(?<= srcset=")[^"]+')
"""The target of a link or a picture, in markdown or HTML."""


def place(file: PurePosixPath) -> PurePosixPath:
    """Where a file of the repository lies in the site. Generators leave out names that begin with a dot."""
    if file.is_relative_to(HOME):
        return file.relative_to(HOME)
    if file.suffix == ".html":  # the page made of the markdown beside it would have its name
        file = file.with_name(f"{file.stem}-page.html")
    return PurePosixPath("repository", *(part.lstrip(".") for part in file.parts))


def linked(page: PurePosixPath, target: str) -> tuple[PurePosixPath, str] | None:
    """The file of the repository that a link of `page` names, and its anchor; None for any other link."""
    path, mark, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return None
    return PurePosixPath(os.path.normpath(page.parent / path)), mark + anchor


def page_text(page: PurePosixPath, text: str) -> str:
    """The text of a page in the site: links lead to the places of their files."""

    def moved(match: re.Match[str]) -> str:
        found = linked(page, match[0])
        if found is None:
            return match[0]
        file, anchor = found
        return os.path.relpath(place(file), place(page).parent) + anchor

    # Python-Markdown reads the markdown inside of HTML only where it is told to.
    return re.sub("^<details>", "<details markdown>", LINK.sub(moved, text), flags=re.MULTILINE)


def gathered(root: Path) -> dict[PurePosixPath, str | None]:
    """File of the repository -> its text in the site, or None for a file that is copied as it is."""
    waiting = [
        PurePosixPath(file.relative_to(root)) for file in sorted((root / HOME).rglob("*")) if file.is_file()
    ]
    found: dict[PurePosixPath, str | None] = {}
    while waiting:
        file = waiting.pop()
        if file in found or not (root / file).is_file():
            continue
        if file.suffix != ".md":
            found[file] = None
            continue
        text = (root / file).read_text(encoding="utf-8")
        found[file] = page_text(file, text)
        links = (linked(file, match[0]) for match in LINK.finditer(text))
        waiting += [each[0] for each in links if each is not None]
    return found


def write(root: Path, folder: Path) -> None:
    """Write the pages into `folder`, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    for file, text in gathered(root).items():
        target = folder / place(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            shutil.copyfile(root / file, target)
        else:
            target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(ROOT, Path(sys.argv[1]))
