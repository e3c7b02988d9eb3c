"""A report with an answer: the answer comes first in every format for people, its parts follow."""

from __future__ import annotations

import pytest
from msgspec import structs

from models.errors import UserError
from reports import formats
from reports.bar_rows import BarChart, BarRow
from reports.cells import Quantity
from reports.document import Answer, Document, NextStep, Origin, Part, Table
from reports.tables.origin_words import origin_in_words

MEMORY, SYSTEM = Part("memory", "Memory"), Part("system", "System", in_appendix=True)
ANSWER = Answer(
    about="Intel Xeon, 2 cores · 4 of 4 cases in 2 min",
    alarms=("The machine was busy.",),
    headlines=("VGG-16, inference, batch 8: 149 ms ±2%.",),
    chart=BarChart(title="ms per image", rows=(BarRow("vgg16", (Quantity(value=18.6),)),)),
    table=Table(title="Best configuration", columns=("network",), rows=(("vgg16",),)),
    warnings="3 rows ! (drifting 2, steal 1).",
    next_step=NextStep(command="convbench layers vgg16 --batch 8", purpose="shows why", seconds=120),
)
DOCUMENT = Document(
    title="VGG-16: 149 ms",
    answer=ANSWER,
    text=("Times are geometric means.",),
    tables=(
        Table(title="CPU", columns=("what",), rows=(("cores",),), part=SYSTEM),
        Table(title="Peak memory", columns=("MiB",), rows=((18,),), part=MEMORY),
        Table(title="Memory by kind", columns=("MiB",), rows=((7,),), part=MEMORY),
    ),
)


def test_tables_are_grouped_by_part_and_the_appendix_is_last() -> None:
    assert [(part.name, len(tables)) for part, tables in DOCUMENT.parts.items()] == [
        ("memory", 2),
        ("system", 1),
    ]


def test_a_table_without_a_part_is_one_of_its_own() -> None:
    alone = Table(title="Peak memory (MiB)", columns=("a",), rows=())
    assert list(Document(title="", tables=(alone,)).parts) == [Part("peak-memory-mib", "Peak memory (MiB)")]


def test_one_part_is_shown_without_the_answer() -> None:
    shown = formats.render("terminal", DOCUMENT.only("memory"))
    assert "Peak memory" in shown
    assert "Memory by kind" in shown
    assert not any(text in shown for text in (*ANSWER.headlines, "CPU", "geometric"))


def test_an_unknown_part_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UserError, match="memory") as caught:
        DOCUMENT.only("memroy")
    assert "system" in str(caught.value)


def test_a_terminal_shows_the_answer_and_names_the_parts() -> None:
    shown = formats.render("terminal", DOCUMENT)
    order = [
        "VGG-16: 149 ms · Intel Xeon, 2 cores · 4 of 4 cases in 2 min",
        "The machine was busy.",
        *ANSWER.headlines,
        "ms per image",
        "Best configuration",
        ANSWER.warnings,
        "More: --section memory, or --full",
        "Next: convbench layers vgg16 --batch 8    (shows why, about 2 minutes)",
    ]
    assert [text for text in order if text not in shown] == []
    assert sorted(order, key=shown.index) == order
    assert len(shown.splitlines()) <= 24
    assert "Peak memory" not in shown


def test_a_whole_report_shows_its_parts_before_the_next_command() -> None:
    shown = formats.render("terminal", structs.replace(DOCUMENT, whole=True))
    order = [*ANSWER.headlines, "Peak memory", "Memory by kind", "CPU", "geometric means", "Next: convbench"]
    assert sorted(order, key=shown.index) == order


def test_markdown_folds_the_parts_after_the_answer() -> None:
    text = formats.render("md", DOCUMENT)
    order = [
        "# VGG-16: 149 ms\n",
        "**! The machine was busy.**",
        "- VGG-16, inference, batch 8: 149 ms ±2%.",
        "```text\nms per image\n",
        "**Best configuration**",
        ANSWER.warnings,
        "```sh\nconvbench layers vgg16 --batch 8\n```",
        "<details><summary>Memory</summary>\n\n### Peak memory\n",
        "### Memory by kind",
        "## Appendix",
        "Times are geometric means.",
        "<details><summary>System</summary>\n\n### CPU\n",
    ]
    assert [part for part in order if part not in text] == []
    assert sorted(order, key=text.index) == order
    assert text.count("<details>") == text.count("</details>")


def test_programs_get_the_same_rows_whether_or_not_there_is_an_answer() -> None:
    document = structs.replace(DOCUMENT, rows=({"median": 0.149},))
    assert formats.render("csv", document) == "median\n0.149\n"


def test_every_format_for_people_says_how_the_report_was_made() -> None:
    """The command, the version and commit, and the time: what it takes to make it again."""
    origin = Origin(
        commands=("convbench run --model vgg16", "convbench run --resume", "convbench run --until 2%"),
        started_at="2026-01-01T10:00:00+00:00",
        finished_at="2026-01-01T11:07:00+01:00",
        versions=("0.1.0",),
        commits=("abc1234",),
    )
    made = structs.replace(DOCUMENT, origin=origin)
    line = (
        "Made by convbench run --model vgg16, convbench run --resume and 1 more; convbench 0.1.0, commit "
        "abc1234; 2026-01-01 10:00 to 10:07 UTC."
    )
    assert formats.render("md", made).rstrip().endswith(line)
    assert line in formats.render("html", made)
    whole = formats.render("terminal", structs.replace(made, whole=True))
    assert line in " ".join(whole.split())
    assert "Made by" not in formats.render("terminal", made), "the first screen has no room for it"


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, ""),
        (Origin(), ""),
        (Origin(started_at="2026-01-01T10:00:00Z"), "2026-01-01 10:00 UTC."),
        (Origin(commits=("a", "b"), started_at="yesterday"), "Commit a, b; yesterday."),
        (Origin(versions=("0.1.0",), commits=("a",)), "Made by convbench 0.1.0, commit a."),
        (
            Origin(started_at="2026-01-01T23:59:00Z", finished_at="2026-01-02T00:10:00Z"),
            "2026-01-01 23:59 to 2026-01-02 00:10 UTC.",
        ),
    ],
)
def test_what_is_not_known_of_the_origin_is_left_out(origin: Origin | None, line: str) -> None:
    assert origin_in_words(origin) == line
