"""The English of the pages: words that the style page rules out, and British spellings, are not in them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.planted.commands import ROOT

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
]
KEYS = re.compile(r"\bnormalise;")
"""Names that a user types, which keep their spelling."""
METAPHORS = (
    "luckier",
    "spoil",
    "suffer",
    "held back",
    "holds it back",
    "told apart",
    "tell them apart",
    "nobody knows",
)
TURNS = (
    *(
        "the former",
        "the latter",
        "in no mean",
        "paid for itself",
        "as far as is known",
        "the instant of the peak",
    ),
    *(
        "stands in",
        "stands beside",
        "goes on with",
        "all the same",
        "of which it",
        "it is said",
        "is said of",
    ),
    *("beside the", "in the mean", "anew", "images in a step", "taken again", "what is left of"),
)
BRITISH = (
    *("colour", "behaviour", "neighbour", "centre", "labelled", "modelled", "favour", "artefact"),
    *(
        "normalis",
        "optimis",
        "utilis",
        "initialis",
        "synchronis",
        "summaris",
        "quantis",
        "serialis",
        "factoris",
    ),
)
RULED_OUT = re.compile(rf"\b(?:{'|'.join((*METAPHORS, *TURNS, *BRITISH))})", re.IGNORECASE)


def prose(text: str) -> str:
    """A page without its code and the targets of its links."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return " ".join(
        re.sub(r"`[^`\n]*`|(?<=\])\([^)]*\)|^ {4}.*$|<!--.*?-->", "", text, flags=re.MULTILINE).split()
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_keeps_to_the_style(page: Path) -> None:
    text = KEYS.sub("", prose(page.read_text(encoding="utf-8")))
    assert [text[max(0, found.start() - 30) : found.end() + 20] for found in RULED_OUT.finditer(text)] == []


def test_words_are_seen_but_not_in_code() -> None:
    assert RULED_OUT.findall(prose("A luckier colour. `utilisation` and\n```\nanew\n```\n")) == [
        "luckier",
        "colour",
    ]


def literals(program: str) -> list[str]:
    """The texts of a program that may be a sentence: with a blank, and no docstring."""
    tree = ast.parse(program)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and " " in node.value.strip()
        and id(node) not in docstrings
    ]


@pytest.mark.parametrize("package", ["bench", "models", "reports"])
def test_what_a_program_says_keeps_to_the_style(package: str) -> None:
    """Help, errors, headlines, notes and labels of the code."""
    found = {
        f"{path.relative_to(ROOT)}: {text[max(0, said.start() - 30) : said.end() + 20]}"
        for path in (ROOT / package).rglob("*.py")
        for text in literals(path.read_text(encoding="utf-8"))
        for said in RULED_OUT.finditer(text)
    }
    assert found == set()


def test_texts_are_told_from_docstrings_and_names() -> None:
    program = (
        'def f():\n    """Written anew."""\n    return {"colour": f"stands beside {1}", "a": "anew or"}\n'
    )
    assert literals(program) == ["anew or", "stands beside "]
