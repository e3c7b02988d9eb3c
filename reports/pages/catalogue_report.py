"""What can be measured: models, variants, suites, axes, datasets and recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench import datasets, devices
from bench.plan import axes, expand, named_suites, recipes
from bench.plan.axes import AXES, NamedAxis
from bench.plan.suite import MOST_PROCESSES, Suite
from bench.schema.training_task import Recipe
from models import blocks, catalogue, libraries, variants
from models.closed_form import cost
from models.errors import UserError, unknown
from reports import formats
from reports.cells import Cell, Missing, Quantity, Scalar, readable
from reports.document import Document, Table


def catalogue_documents() -> Mapping[str, Table]:
    """The tables of `convbench list`, by name."""
    return {
        "models": _models(),
        "variants": _variants(),
        "suites": _suites(),
        "axes": _axes(),
        "datasets": _datasets(),
        "recipes": _recipes(),
    }


def catalogue_text(what: str, output: str, library: str | None = None) -> str | bytes:
    """One of the tables, or all, or a library's models, in a format. Raises UserError for an unknown name."""
    if library is not None and what not in ("all", "models"):
        raise UserError(f"--library applies to models only, got '{what}'")
    tables = catalogue_documents() if library is None else {"models": _library_models(library)}
    if what != "all" and what not in tables:
        raise unknown("list", what, [*tables, "all"])
    chosen = list(tables.values()) if what == "all" else [tables[what]]
    rows = tuple(_row(table, values) for table in chosen for values in table.rows)
    return formats.content(output, Document(title=f"convbench {what}", tables=tuple(chosen), rows=rows))


def _row(table: Table, values: Sequence[Cell]) -> dict[str, Scalar]:
    """Fields of a recipe are written as `--set` takes them."""
    shown = (readable(value) if isinstance(value, Quantity | Missing) else value for value in values)
    return {"list": table.title, **dict(zip(table.columns, shown, strict=True))}


def _models() -> Table:
    rows = []
    for name, arch in catalogue.MODELS.items():
        own = catalogue.defaults(name)
        total = cost(arch, channels=own.channels, image=own.image, classes=own.classes, batch=1)
        rows.append((name, arch.summary, own.image, own.channels, own.classes, total.parameters))
    columns = ("name", "summary", "image", "channels", "classes", "parameters")
    notes = (
        f"Also accepted: {catalogue.FORMS}.",
        "Models of torchvision: convbench list models --library torchvision.",
    )
    return Table(title="models", columns=columns, rows=tuple(rows), notes=notes)


def _library_models(library: str) -> Table:
    """The models of another library that can be measured, as it publishes them."""
    if library not in libraries.NAMES:
        raise unknown("library", library, libraries.NAMES)
    found = {
        f"{library}:{name}": each
        for name, each in libraries.networks(library).items()
        if library != "torchvision" or libraries.why_not_images(name) is None
    }
    if not found:
        raise UserError(f"{library} is not installed: pip install 'convbench[{library}]'")
    rows = tuple(
        (name, each.kind, each.image, each.channels, each.classes, each.parameters, each.gmacs)
        for name, each in found.items()
    )
    columns = ("name", "kind", "image", "channels", "classes", "parameters", "GMACs")
    notes = (
        "Sizes, parameters and GMACs as the library publishes them for its default weights; no weights are "
        "loaded. A wildcard selects several: convbench cost 'torchvision:resnet*'.",
    )
    return Table(title="models", columns=columns, rows=rows, notes=notes)


def _variants() -> Table:
    rows = tuple(
        (name, each.summary, ", ".join(each.values)) for name, each in variants.TRANSFORMATIONS.items()
    )
    notes = (
        "Write a variant as NETWORK+NAME=VALUE, several in this order: alexnet+norm=lrn+dropout=0.",
        f"Write a block of convolutions as {blocks.FORM}: block:64:3x3-relu-3x3.",
    )
    return Table(title="variants", columns=("name", "summary", "accepted"), rows=rows, notes=notes)


def _datasets() -> Table:
    rows = tuple(
        (name, each.summary, each.train_images, each.test_images, each.classes, each.source)
        for name, each in datasets.datasets().items()
    )
    columns = ("name", "summary", "training images", "test images", "classes", "source")
    return Table(title="datasets", columns=columns, rows=rows)


_EXAMPLES = ("lenet5", "alexnet", "vgg16", "vgg16-bn")
"""Of each kind of network that recipes tell apart, one."""


def _recipes() -> Table:
    fields = [name for name in Recipe.__struct_fields__ if name != "name"]
    rows: list[tuple[Cell, ...]] = []
    for name in recipes.RECIPES:
        for model in _EXAMPLES:
            found = recipes.find(name, model)
            values = (_field(getattr(found.recipe, field)) for field in fields)
            rows.append((name, model, found.batch, found.image, *values))
    columns = ("name", "for", "batch", "image", *(field.replace("_", " ") for field in fields))
    return Table(title="recipes", columns=columns, rows=tuple(rows))


def _field(value: object) -> Cell:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Quantity(value=value, digits="given")
    return recipes.shown(value)


def _suites() -> Table:
    device = devices.auto()
    rows = []
    for name in named_suites.SUITES:
        suite = named_suites.find(name, device)
        blocks = (*suite.blocks, *suite.once)
        # `auto` was asked for once; a block that names devices has cases on each.
        given = {} if any("device" in block for block in blocks) else {"device": (device,)}
        cases = expand.cases(suite, given, threads=1)
        rows.append((name, suite.summary, len(cases), _processes(suite)))
    return Table(title="suites", columns=("name", "summary", "cases", "processes"), rows=tuple(rows))


def _processes(suite: Suite) -> str:
    """Of each case: so many, or from the first to the most."""
    if suite.until is None:
        return str(suite.replicates)
    return f"{suite.replicates} to {MOST_PROCESSES}, until ±{100 * suite.until:g}%"


def _axes() -> Table:
    rows = tuple((name, axis.summary, _accepted(axis)) for name, axis in AXES.items())
    notes = tuple(
        f"--device {device.name}: {device.traits.caveat}."
        for device in devices.devices().values()
        if device.traits.caveat
    )
    return Table(title="axes", columns=("name", "summary", "accepted"), rows=rows, notes=notes)


def _accepted(axis: axes.NamedAxis | axes.NumericAxis | axes.ShapeAxis) -> str:
    if isinstance(axis, axes.ShapeAxis):
        return "1 to 4 sizes joined by x"
    if isinstance(axis, NamedAxis):
        return ", ".join(axis.accepted())
    return f"{axis.low} to {axis.high}"
