"""Modules and functions stay short, or say beside them why they do not."""

from __future__ import annotations

import ast
import re

from tests.planted.commands import ROOT
from tests.test_layout import python_files

MOST_LINES, MOST_LINES_OF_A_FUNCTION = 300, 40
REASON = re.compile(r"^\s*# long: \S.{9,}$")
"""A comment that stands right above a function that is longer, or above the first import of a module."""


def too_long(text: str) -> list[str]:
    """What is longer than it may be without a reason beside it: `module`, or names of functions."""
    lines = text.splitlines()
    reasons = {number for number, line in enumerate(lines, 1) if REASON.match(line)}
    parsed = ast.parse(text)
    found = []
    if len(lines) > MOST_LINES and not any(number < _first_statement(parsed) for number in reasons):
        found.append("module")
    for node in ast.walk(parsed):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if node.end_lineno - node.lineno >= MOST_LINES_OF_A_FUNCTION and first - 1 not in reasons:
                found.append(node.name)
    return found


def _first_statement(parsed: ast.Module) -> int:
    """The line of what follows the docstring."""
    body = parsed.body[1:] if ast.get_docstring(parsed) else parsed.body
    return body[0].lineno


def test_no_module_and_no_function_is_long_without_a_reason() -> None:
    """Of a test only its functions are counted: the tests of one module stay in one file."""
    found = {}
    for file in python_files(ROOT):
        long = too_long((ROOT / file).read_text(encoding="utf-8"))
        if file.parts[0] == "tests":
            long = [name for name in long if name != "module"]
        if long:
            found[str(file)] = long
    assert found == {}


def test_what_is_long_is_seen_unless_a_reason_stands_beside_it() -> None:
    body = "    x = 1\n"
    assert too_long("def f():\n" + body * 39) == []
    assert too_long("def f():\n" + body * 40) == ["f"]
    assert too_long("# long: a table of forty rows\ndef f():\n" + body * 40) == []
    assert too_long("# long: a table of forty rows\n@cache\n@cache\ndef f():\n" + body * 40) == []
    assert too_long("# long: yes\ndef f():\n" + body * 40) == ["f"]
    assert too_long('"""Words."""\n' + "x = 1\n" * 299) == []
    assert too_long('"""Words."""\n' + "x = 1\n" * 300) == ["module"]
    assert too_long('"""Words."""\n\n# long: one table, read as a whole\n\n' + "x = 1\n" * 300) == []
    assert too_long('"""Words."""\n' + "x = 1\n" * 300 + "# long: a reason that comes too late\n") == [
        "module"
    ]
