"""What torchvision and timm have, in their published form: names, kinds, and the images they were made for.

Importing either imports torch. torchvision is read from its source text; timm, whose configurations are
programs, is asked once in a process of its own, and the answer is kept for its version.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from models.errors import UserError

CLASSIFICATION = "classification"
NAMES = ("torchvision", "timm")
_CLASSES = {CLASSIFICATION: 1000, "segmentation": 21}
_REGISTERED = re.compile(r'^@register_model\((?:name="(\w+)")?\).*?^def (\w+)', re.MULTILINE | re.DOTALL)
_ASK_LIMIT_SECONDS = 300.0


class LibraryNetwork(Struct, frozen=True, kw_only=True):
    """A network of a library as it was published: with the default weights, of which none are loaded.

    kind        `classification`, or another folder of torchvision's models
    image       side of the square image in pixels, and `channels` and `classes`
    parameters  and `gmacs` of one image, as the library's own table says; None where it does not
    """

    name: str
    kind: str = CLASSIFICATION
    image: int = 224
    channels: int = 3
    classes: int = 1000
    parameters: int | None = None
    gmacs: float | None = None


def networks(library: str) -> Mapping[str, LibraryNetwork]:
    """All of a library's networks by name; empty where it is not installed, or laid out in another way than
    we know. Raises UserError where timm is there and does not answer."""
    return torchvision_networks() if library == "torchvision" else timm_networks()


def network(library: str, name: str) -> LibraryNetwork | None:
    """One of a library's networks; None where it is not known."""
    if library == "torchvision":
        return torchvision_network(name.lower()) if name.lower() in torchvision_names() else None
    return timm_networks().get(name)


@functools.cache
def torchvision_names() -> Mapping[str, tuple[str, Path]]:
    """The names that torchvision registers -> the function that builds it, and its file."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return {}
    folder = Path(spec.submodule_search_locations[0]) / "models"
    found = {
        given or own: (own, path)
        for path in folder.rglob("*.py")
        for given, own in _REGISTERED.findall(path.read_text(encoding="utf-8"))
    }
    return dict(sorted(found.items()))


def torchvision_kind(name: str) -> str:
    """`classification`, `segmentation`, `detection`, `video`, `quantization` or `optical_flow`."""
    folder = torchvision_names()[name][1].parent.name
    return CLASSIFICATION if folder == "models" else folder


_NO_IMAGES = {
    "detection": "finds objects: it resizes its images itself and is trained on boxes",
    "video": "is a network of video: it takes clips",
    "optical_flow": "computes optical flow: it takes two images",
    "quantization": "is a quantized network, of which the weights make the int8",
}


def why_not_images(name: str) -> str | None:
    """Why a network of torchvision is no network of single images, to stand after its name; None if it is."""
    kind = torchvision_kind(name)
    reason = _NO_IMAGES.get(kind)
    return (
        reason and f"{reason}, which convbench does not measure; it measures classification and segmentation"
    )


@functools.cache
def torchvision_networks() -> Mapping[str, LibraryNetwork]:
    return {name: torchvision_network(name) for name in torchvision_names()}


@functools.cache
def torchvision_network(name: str) -> LibraryNetwork:
    """What torchvision says of the default weights of a network that it has."""
    builder, path = torchvision_names()[name]
    functions, weights = _definitions(path)
    kind = torchvision_kind(name)
    published = weights.get(_weights_of(functions[builder]), {})
    image, parameters, operations = (published.get(key) for key in ("side", "num_params", "_ops"))
    return LibraryNetwork(
        name=name,
        kind=kind,
        image=image if isinstance(image, int) else 224,
        classes=_CLASSES.get(kind, 1000),
        parameters=parameters if isinstance(parameters, int) else None,
        gmacs=operations if isinstance(operations, float) else None,
    )


Definitions = tuple[dict[str, ast.FunctionDef], dict[str, dict[str, object]]]


@functools.cache
def _definitions(path: Path) -> Definitions:
    """The functions of a file, and what each class of weights says of its default ones."""
    body = ast.parse(path.read_bytes()).body
    shared = dict(_assigned(body))
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    weights = {node.name: _default_weights(node, shared) for node in body if isinstance(node, ast.ClassDef)}
    return functions, weights


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Every `NAME = value`, annotated or not."""
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name) and node.value:
            yield target.id, node.value


def _weights_of(builder: ast.FunctionDef) -> str:
    """The class of weights in the annotation `weights: Optional[ResNet18_Weights]`."""
    for argument in (*builder.args.args, *builder.args.kwonlyargs):
        if argument.arg == "weights" and argument.annotation is not None:
            names = (node.id for node in ast.walk(argument.annotation) if isinstance(node, ast.Name))
            return next((name for name in names if name.endswith("Weights")), "")
    return ""


def _default_weights(node: ast.ClassDef, shared: Mapping[str, ast.expr]) -> dict[str, object]:
    """Of `DEFAULT = IMAGENET1K_V2`: the numbers of its `meta`, and the `side` that its transforms cut out."""
    members = dict(_assigned(node.body))
    default = members.get("DEFAULT")
    chosen = members.get(default.id) if isinstance(default, ast.Name) else None
    if chosen is None:
        return {}
    said = dict(_constants(chosen, shared))
    return {**said, "side": said.get("crop_size", said.get("resize_size"))}


def _constants(tree: ast.expr, shared: Mapping[str, ast.expr]) -> Iterator[tuple[str, object]]:
    """Every `name=constant` and `"name": constant` in it, and in what `**NAME` takes from the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg and isinstance(node.value, ast.Constant):
            yield node.arg, node.value.value
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                    yield str(key.value), value.value
                elif key is None and isinstance(value, ast.Name) and value.id in shared:
                    yield from _constants(shared[value.id], shared)


_ASK_TIMM = """
import json, sys
import timm
found = []
for name in dict.fromkeys([*timm.list_models(), *timm.list_pretrained()]):
    said = timm.get_pretrained_cfg(name)
    size = said and said.input_size or (3, 224, 224)
    classes = said.num_classes if said and said.num_classes else 1000
    found.append({"name": name, "channels": size[0], "image": max(size[1:]), "classes": classes})
sys.stdout.write("\\n" + json.dumps(found))
"""


@functools.cache
def timm_networks() -> Mapping[str, LibraryNetwork]:
    """timm's networks, also by name and tag (`resnet50.a1_in1k`); empty where it is not installed.

    Raises UserError where it does not answer.
    """
    if importlib.util.find_spec("timm") is None:
        return {}
    kept = _kept_answer()
    try:
        if kept is not None:
            return _by_name(kept.read_bytes())
    except (OSError, msgspec.DecodeError):
        pass  # none yet, or another's file
    data = _ask_timm()
    found = _by_name(data)
    if kept is not None:
        _keep(kept, data)
    return found


def _by_name(data: bytes) -> dict[str, LibraryNetwork]:
    return {each.name: each for each in msgspec.json.decode(data, type=list[LibraryNetwork])}


def _kept_answer() -> Path | None:
    """The file for the answer of this release; None where there is no home folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - may find none
    import importlib.metadata  # late: it brings the parser of emails

    name = f"timm-{importlib.metadata.version('timm')}.json"
    return Path(cache) / "convbench" / name if Path(cache).is_absolute() else None


def _ask_timm() -> bytes:
    """What timm says of its networks: seconds, as importing it imports torch."""
    asked = [sys.executable, "-W", "ignore", "-c", _ASK_TIMM]
    try:
        done = subprocess.run(asked, capture_output=True, timeout=_ASK_LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"timm did not list its networks within {_ASK_LIMIT_SECONDS:g} s. Is its installation complete?"
        ) from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"timm cannot be imported: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return done.stdout.rpartition(b"\n")[2]  # timm's imports may have printed before


def _keep(path: Path, data: bytes) -> None:
    """For the next time; whole or not at all, and without it where the folder cannot be written."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
