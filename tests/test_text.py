"""Text is made in the last step: no report takes apart what another part of convbench wrote."""

from __future__ import annotations

import ast

from tests.planted.commands import ROOT
from tests.test_layout import python_files

PARSERS = {"partition", "rpartition", "removeprefix", "removesuffix", "startswith", "endswith"}
FROM_OUTSIDE = {
    "reports/analysis/datasheet.py": "the driver's names of GPUs",
    "reports/analysis/layer_headroom.py": "the names of modules' classes, of torch or a user's",
    "reports/drawing/inline_svg.py": "the SVG that matplotlib writes",
    "reports/drawing/plots.py": "labels that matplotlib would leave out of a legend",
    "reports/formats/csv.py": "the end of a line that the csv module writes; names that a sheet computes",
    "reports/formats/md.py": "characters that would be markup",
    "reports/fleet/fleet_found.py": "digits in the names of nodes, which are sorted as numbers",
    "reports/over_time/series_names.py": "ids of cases, which are what an archive keeps of them; GPUs",
    "reports/pytest_files/benchmark_tables.py": "the parameters of a test, as pytest names it",
    "reports/summary/case_order.py": "digits in the names of users' models, which are sorted as numbers",
    "reports/tables/case_names.py": "models' names, as users type them",
    "reports/tables/unique_names.py": "characters that a file's name may not have",
    "reports/ablations/ablation_plots.py": "characters that a file's name may not have",
}
"""Files of `reports/` that take text apart, and whose text that is."""


def parsed_in(text: str) -> list[str]:
    """The calls of a program that take text apart; splitting at blanks, which joins lines, is none."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
            splits = node.func.attr in ("split", "rsplit") and bool(node.args)
            if of_re or splits or node.func.attr in PARSERS:
                found.append(node.func.attr)
    return found


def test_reports_take_apart_only_text_from_outside() -> None:
    found = {
        str(file): calls
        for file in python_files(ROOT)
        if file.parts[0] == "reports" and (calls := parsed_in((ROOT / file).read_text(encoding="utf-8")))
    }
    assert {file: calls for file, calls in found.items() if file not in FROM_OUTSIDE} == {}
    assert [file for file in FROM_OUTSIDE if file not in found] == []


def test_planted_parsing_is_seen() -> None:
    assert parsed_in('label.removesuffix(" with ReLU")') == ["removesuffix"]
    assert parsed_in('import re\nre.compile("a")\nname.split("+")') == ["compile", "split"]
    assert parsed_in('" ".join(text.split())\nstructs.replace(row, title="")') == []
