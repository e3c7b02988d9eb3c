"""matplotlib's SVG -> a picture inside a page: in the page's colors and fonts, with ids that only it has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from reports.drawing.palette import COLORS

PAGE_COLORS: Mapping[str, str] = {
    **{color.lower(): f"var(--series-{number})" for number, color in enumerate(COLORS)},
    "#000000": "currentColor",
    "#ffffff": "var(--paper)",
    "#dddddd": "var(--line)",
    "#444444": "var(--quiet)",
    "#999999": "var(--quiet)",
}
"""What the pictures are drawn in -> the page's own, which differ between a light screen and a dark one."""

_DROPPED = ("metadata", "style")
"""What no reader sees, and a style sheet that would hold for the whole page."""
_FONTS = re.compile(r"font-family:[^;]*;?\s*")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}\b")
_REFERENCE = re.compile(r"(?<=url\(#)[^)]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""What a name can hold and XML cannot."""
_LONG = re.compile(r"-?\d+\.\d{3,}")
_MEASURES = ("d", "x", "y", "width", "height")


def inline(svg: bytes, name: str, label: str) -> str:
    """An `<svg>` element for HTML, as wide as where it stands.

    `name` is unlike that of any other picture of the page: it begins its ids. `label` is what a screen
    reader says in the picture's place. Whatever the texts of the picture hold is escaped.
    """
    root = ElementTree.fromstring(_CONTROL.sub(b"", svg))
    for parent in list(root.iter()):
        for child in [child for child in parent if _local(child.tag) in _DROPPED]:
            parent.remove(child)
    used = set(_referenced(root))
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {
            key: _attribute(key, value, name)
            for key, value in ((_local(key), value) for key, value in element.attrib.items())
            if key != "id" or value in used
        }
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label}
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    """Without its namespace: HTML gives `svg` and what stands in it theirs."""
    return name.rpartition("}")[2]


def _referenced(root: Element) -> Iterator[str]:
    """The ids that something in the picture points to."""
    for element in root.iter():
        for key, value in element.attrib.items():
            yield from [value[1:]] if _local(key) == "href" else _REFERENCE.findall(value)


def _attribute(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value[1:]}"
    if key == "style":
        themed = _COLOR.sub(lambda found: PAGE_COLORS.get(found[0].lower(), found[0]), value)
        value = _FONTS.sub("", themed)
    if key in _MEASURES:  # a hundredth of a point is more than a screen shows
        value = _LONG.sub(lambda found: f"{float(found[0]):.2f}", value)
    return _REFERENCE.sub(lambda found: f"{name}-{found[0]}", value)
