"""`.ci/report_picture.py`: the picture of a report holds its text, and nothing from elsewhere."""

from __future__ import annotations

from xml.etree import ElementTree

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
