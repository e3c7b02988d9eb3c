"""`.ci/report_picture.py`: the picture of a report holds its text, and nothing from elsewhere."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.planted.commands import ROOT
from tests.test_gpu_trial import loaded

SVG = "{http://www.w3.org/2000/svg}"


def test_a_picture_holds_every_line_as_text() -> None:
    program = loaded("report_picture")
    lines = ["VGG-16: 149 ms & <8.1x>", "", "vgg16 ███ 18.6"]
    drawn = ElementTree.fromstring(program.picture(lines, program.LIGHT))
    texts = [(each.text or "").replace(program.NO_BREAK, " ") for each in drawn.iter(f"{SVG}text")]
    assert texts == [lines[0], lines[2]]
    assert drawn.findtext(f"{SVG}desc") == "\n".join(lines)
    widths = [float(each.attrib["textLength"]) for each in drawn.iter(f"{SVG}text")]
    assert widths == [program.CHARACTER * len(line) for line in lines if line]


@pytest.mark.parametrize("name", ["report.svg", "report-dark.svg"])
def test_the_pictures_of_the_readme_load_nothing(name: str) -> None:
    assert f"docs/img/{name}" in (ROOT / "README.md").read_text(encoding="utf-8")
    text = (ROOT / "docs" / "img" / name).read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert (
        re.findall(
            r"(?:href|src|url)\b", re.sub(r"<desc>.*?</desc>|<text.*?</text>", "", text, flags=re.DOTALL)
        )
        == []
    )
