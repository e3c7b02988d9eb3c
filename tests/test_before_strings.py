"""Sentences that the style page replaced are gone from the product; those still to be replaced are listed."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from tests.planted.commands import ROOT

# long: the sentences, one a line
REPLACED = (
    # Help of commands
    "Benchmark of the networks that began deep learning",
    "Every axis takes several values, repeated or separated by commas",
    "naming any other axis makes the plan the product",
    "Say what the records of one or several runs show",
    "Say which models, variants, suites, axes, datasets and recipes there are",
    "beside the counts of fvcore and torch",
    "Needs no GPU and no run.",
    "NEW against BASE, a row at a time",
    "in interleaved pairs of processes, until the verdict is clear",
    "how fast this machine multiplies and copies",
    "beside its FLOPs, its bytes and what the machine can do",
    "Judge what textbooks say about AlexNet and VGG",
    "Published latencies of 2015 to 2017 beside",
    "Recover answers that are known beforehand",
    "would spoil a measurement",
    "The largest batch whose step fits into the memory",
    "Search for the fastest precision, layout, engine, tuning and threads",
    "report accuracy beside speed and memory",
    "what they cost in time and memory, and what they do to accuracy",
    # Help of options
    "a network of the catalogue, torchvision:NAME",
    "forward alone, or a whole training step",
    "where it runs; auto takes a CUDA GPU if there is one",
    "dtype of weights, autocast and TF32",
    "how it is executed",
    "memory format of weights and images",
    "what else is switched on; several joined by +",
    "images in a step",
    "side of the square image, pixels; the network's own by default",
    "CPU threads of torch; the usable physical cores by default",
    "Stop sampling at this half width",
    "Seconds for each case.",
    "Seconds after which no further case begins",
    "without it nothing is kept",
    "Changes inside this share do not matter",
    "Folder for the records and the report",
    "Processes for each case",
    "First measure what the machine can do",
    "Run what is missing, crashed or timed out",
    "Print the plan and write nothing",
    "Folders that runs have written",
    "or what the file's name ends with",
    "Write here and not to the terminal",
    "datasets or recipes; all without it",
    "The folders of two runs",
    "exit with 1 when a row is, after Holm's correction",
    "What side a changes",
    "Side a's interpreter, with convbench",
    "to which time and energy are taken",
    "Go on from the last finished epoch of what is missing",
    "Processes for each timed case; 0 times nothing",
    # Errors
    "nothing of this plan can run here",
    "a folder given as --out keeps what was finished",
    "are left: the same command with --resume runs them",
    "holds a run already: continue it with --resume",
    "another run is writing to",
    "--resume goes on with a folder",
    ": no run was written there",
    "a run has no difference to itself",
    "compare takes two runs, BASE and NEW, not",
    "takes a whole number from",
    " takes a number ",
    "accepted are ",
    "not finished within ",
    "killed by the kernel, which had run out of memory",
    # Headings and columns; `=` is the whole string
    "Cases with failures: none",
    "Cases measured: ",
    "Precision, as read back while measuring",
    "Cost of one image",
    "Cannot run here",
    "Machine and versions",
    "=Ceilings",
    "Products on ",
    "When compiling has paid for itself",
    "Speed-up of automatic mixed precision over fp32",
    "Speed-up of compiled engines over eager",
    "Utilisation of ",
    "=of arithmetic",
    "=of bandwidth",
    "Memory at the instant of the peak",
    "windows taken again",
    "Layers of {}",
    "images/s, steps",
    "images/s, loop",
    "=The fastest configuration",
    "Then and now",
    # Captions, notes, verdicts
    "How to read a time: each case",
    "answer different questions and are not ranked",
    "None of these processes is in a table above",
    "The words and numbers below are those of the first case with the warning",
    "the interval says how well that process was sampled, not how far",
    "the interval reaches beyond ten times the figure",
    "how far another seed would be from it is not known",
    "step is timed in a pass of its own",
    "at its ceiling arithmetic takes",
    "How far these times are from what the machine can do is not known",
    "the process's resident memory at its highest in one step",
    "the process's peak less that of its tensors",
    "time inside no layer and no kernel",
    "nothing that was recorded",
    "Only rows that are the same work on both sides are compared",
    "The same in all processes of both sides, and not shown",
    "Times and sizes: ",
    "which shows nothing of how processes differ",
    "do not tell them apart",
    "of the fastest product in",
    "is so near a tie that this error may turn it",
    "not testable here",
    "=Claims: ",
    "no seed is right more than 1.5 times as often as guessing",
    "here can spoil a measurement",
    "Answers that are known beforehand",
    # Warnings
    "step times still changed after",
    "phases' sum differs from the step by",
    "changed inside the window",
    "of them say as much as",
    "x the others' time",
    "other machines took",
    "spoiled windows are labelled",
    # README
    'can be told from "luckier"',
    "What stands after",
    "No run and no GPU: a closed form",
    "as soon as you name a model",
    "0 all is measured",
    "is in no mean",
    "what was killed goes on",
    "Compiled rows say after how many steps",
    "A remark in a table is a label",
)

LEFT = frozenset(
    (
        "images in a step",
        "accepted are ",
        "windows taken again",
        "images/s, steps",
        "images/s, loop",
        "Then and now",
        "other machines took",
    )
)
"""Those that are still in the product. This list only shrinks."""


def strings(text: str) -> list[str]:
    """Every text of a program as a reader sees it: values of f-strings are `{}`, line breaks are blanks."""
    parsed = ast.parse(text)
    inner = {
        id(part)
        for node in ast.walk(parsed)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    found = []
    for node in ast.walk(parsed):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(_part(part) for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            found.append(node.value)
    return [" ".join(each.split()) for each in found]


def _part(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "{}"


@cache
def product() -> dict[str, list[str]]:
    """File -> its texts: programs, and pages as one text each."""
    files = [file for package in ("bench", "models", "reports") for file in (ROOT / package).rglob("*.py")]
    found = {str(file.relative_to(ROOT)): strings(file.read_text(encoding="utf-8")) for file in files}
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    pages.remove(ROOT / "docs" / "commands.md")  # made from the programs
    return found | {str(page.relative_to(ROOT)): [_words(page)] for page in pages}


def _words(page: Path) -> str:
    return " ".join(page.read_text(encoding="utf-8").split())


def files_with(sentence: str) -> list[str]:
    wanted = sentence.removeprefix("=").strip()
    is_whole = sentence.startswith("=")

    def has(text: str) -> bool:
        return text == wanted if is_whole else wanted in text

    return sorted(file for file, texts in product().items() if any(map(has, texts)))


def test_replaced_sentences_are_gone() -> None:
    found = {
        sentence: files for sentence in REPLACED if sentence not in LEFT and (files := files_with(sentence))
    }
    assert found == {}


def test_a_planted_sentence_is_seen() -> None:
    assert strings('raise UserError(f"{a} takes a "\n    f"number {b}, not {c}")') == [
        "{} takes a number {}, not {}"
    ]
    assert strings('"""Two\n   lines."""') == ["Two lines."]
