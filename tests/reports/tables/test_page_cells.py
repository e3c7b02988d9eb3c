"""A cell of a page: what it is sorted by and how it looks follow from what it is."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from bench.schema.case_warnings import Label
from reports.cells import Cell, Labels, Missing, Quantity, readable
from reports.tables.label_meanings import MEANINGS
from reports.tables.page_cells import shown


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (3, "3"),
        (0.25, "0.25"),
        (Quantity(value=12.345, low=12.0, high=12.6), "12.345"),
        (Quantity(value=math.inf), "Infinity"),
        (Quantity(value=12.0, low=1.0, high=90.0), None),
        (Quantity(value=12.0, unresolved=True), None),
        (Missing("energy", "no counter"), None),
        (None, None),
        ("12.3 ms", None),
    ],
)
def test_only_what_is_known_has_a_value_to_be_sorted_by(cell: Cell, value: str | None) -> None:
    found = shown(cell, False, readable)
    assert found.value == value
    assert ("unknown" in found.classes) == (value is None and not isinstance(cell, str))


@pytest.mark.parametrize(
    ("cell", "classes"),
    [
        ("▲ +12%", "bad"),
        ("✗ false", "bad"),
        ("▼ -3%", "good"),
        ("? open", "doubtful"),
        ("! drifting", "doubtful"),
    ],
)
def test_a_mark_has_a_color_too(cell: str, classes: str) -> None:
    assert shown(cell, False, readable).classes == classes


def test_labels_are_explained_and_prose_is_not() -> None:
    found = shown(Labels(("drifting", "steal")), False, readable)
    assert [label for label, _ in found.labels] == ["drifting", "steal"]
    assert not shown("drifting, steal", False, readable).labels
    assert (found.text, found.classes) == ("drifting, steal", "labels")


def test_every_label_has_a_meaning() -> None:
    assert set(get_args(Label)) - {"other"} <= set(MEANINGS)
    assert all(meaning and not meaning.endswith(".") for meaning in MEANINGS.values())
