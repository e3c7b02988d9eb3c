"""`.ci/trend_picture.py`: the picture says what was found and that it is planted, and loads nothing."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from reports.drawing.chart_pen import SCHEMES
from reports.over_time import trend_report
from tests.planted import planted_trend
from tests.planted.commands import ROOT
from tests.test_gpu_trial import loaded

SVG = "{http://www.w3.org/2000/svg}"
PLANTED = "Planted, not measured"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_holds_the_sentences_and_the_first_charts(scheme: str) -> None:
    program = loaded("trend_picture")
    document = trend_report.document(planted_trend.year())
    assert document.answer is not None
    text = program.picture(document, SCHEMES[scheme])
    drawn = ElementTree.fromstring(text)
    texts = [each.text or "" for each in drawn.iter(f"{SVG}text")]
    assert " ".join(document.answer.headlines) in " ".join(texts)
    assert any(PLANTED in each for each in texts)
    assert text.count('role="img"') == 1 + program.CHARTS
    assert "var(--" not in text, "a file has no page whose colors it could take"


@pytest.mark.parametrize("name", ["trend.svg", "trend-dark.svg"])
def test_the_pictures_of_the_readme_are_planted_and_load_nothing(name: str) -> None:
    for page, place in (("README.md", "docs/img"), ("docs/trend.md", "img")):
        assert f"{place}/{name}" in (ROOT / page).read_text(encoding="utf-8")
    text = (ROOT / "docs" / "img" / name).read_text(encoding="utf-8")
    assert PLANTED in text
    bare = re.sub(r"<title>.*?</title>|<text.*?</text>|aria-label=\"[^\"]*\"", "", text)
    assert re.findall(r"(?:href|src|url)\b", bare) == []
