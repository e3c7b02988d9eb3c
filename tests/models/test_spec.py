"""Names with arguments, and lists of them, taken apart."""

from __future__ import annotations

import pytest

from models import spec
from models.errors import UserError
from models.spec import Literals, Spec


@pytest.mark.parametrize(
    ("text", "place", "factory", "positional", "named"),
    [
        ("vgg16", "", "vgg16", (), {}),
        ("net.py:build", "net.py", "build", (), {}),
        ("a:b/net.py:build", "a:b/net.py", "build", (), {}),
        ("C:\\nets\\net.py:build", "C:\\nets\\net.py", "build", (), {}),
        ("net.py:build()", "net.py", "build", (), {}),
        ("net.py:build(width=2)", "net.py", "build", (), {"width": 2}),
        ("net.py:build(2, -1.5, width=(1, [2]))", "net.py", "build", (2, -1.5), {"width": (1, [2])}),
        ("net.py:build(name='a:b(c)', on=True)", "net.py", "build", (), {"name": "a:b(c)", "on": True}),
        ("a (copy)/net.py:build(1)", "a (copy)/net.py", "build", (1,), {}),
        ("a:b(c)/net.py:build(1)", "a:b(c)/net.py", "build", (1,), {}),
        ("a:b(c)/net.py:build", "a:b(c)/net.py", "build", (), {}),
        ("timm:resnet50.a1_in1k(drop_rate=0.1)", "timm", "resnet50.a1_in1k", (), {"drop_rate": 0.1}),
    ],
)
def test_the_parts_of_a_name(
    text: str, place: str, factory: str, positional: tuple[object, ...], named: dict[str, object]
) -> None:
    assert spec.read(text) == Spec(place, factory, Literals(positional, named))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("net.py:build(width=w)", "'w' in .* is not a literal: arguments are numbers, strings"),
        ("net.py:build(__import__('os').remove('x'))", "is not a literal"),
        ("net.py:build(2**64)", "is not a literal"),
        ("net.py:build(*[1])", "is not a literal"),
        ("net.py:build(**{'a': 1})", "is not a literal"),
        ("net.py:build(a=1, a=2)", "gives the argument 'a' twice"),
        ("net.py:build(a=)", "cannot read the arguments of"),
        ("net.py:build(width=2", "cannot read the arguments of"),
        (f"net.py:build({'-' * 100_000}1)", "cannot read|not a literal"),
    ],
)
def test_arguments_are_literals_alone(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as told:
        spec.read(text)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("vgg11,vgg13", ["vgg11", "vgg13"]),
        ("n.py:f(a=1,b=(2,3)),vgg11", ["n.py:f(a=1,b=(2,3))", "vgg11"]),
        ("n.py:f(a='),',b=1),n.py:g", ["n.py:f(a='),',b=1)", "n.py:g"]),
        ('n.py:f(a="\\",(",b=1),x', ['n.py:f(a="\\",(",b=1)', "x"]),
        ("it's/n.py:f,o'k/n.py:g", ["it's/n.py:f", "o'k/n.py:g"]),
        ("n.py:f(1,2", ["n.py:f(1", "2"]),
        ("a[1,2]/n.py:f", ["a[1", "2]/n.py:f"]),
        ("", [""]),
    ],
)
def test_commas_inside_arguments_separate_nothing(text: str, parts: list[str]) -> None:
    assert spec.split(text) == parts
