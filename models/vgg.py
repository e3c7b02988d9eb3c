"""The VGG family, from the columns of table 1 in Simonyan & Zisserman 2014."""

from __future__ import annotations

from models.arch import (
    Activation,
    Arch,
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Linear,
    Pool,
    ResponseNorm,
)

RELU = Activation("relu")

# Table 1: conv<receptive field>-<channels>; a slash stands for the table's "maxpool", which also ends each.
COLUMNS = {
    "A": "conv3-64 / conv3-128 / conv3-256 conv3-256 / conv3-512 conv3-512 / conv3-512 conv3-512",
    "A-LRN": "conv3-64 LRN / conv3-128 / conv3-256 conv3-256 / conv3-512 conv3-512 / conv3-512 conv3-512",
    "B": "conv3-64 conv3-64 / conv3-128 conv3-128 / conv3-256 conv3-256 / conv3-512 conv3-512"
    " / conv3-512 conv3-512",
    "C": "conv3-64 conv3-64 / conv3-128 conv3-128 / conv3-256 conv3-256 conv1-256"
    " / conv3-512 conv3-512 conv1-512 / conv3-512 conv3-512 conv1-512",
    "D": "conv3-64 conv3-64 / conv3-128 conv3-128 / conv3-256 conv3-256 conv3-256"
    " / conv3-512 conv3-512 conv3-512 / conv3-512 conv3-512 conv3-512",
    "E": "conv3-64 conv3-64 / conv3-128 conv3-128 / conv3-256 conv3-256 conv3-256 conv3-256"
    " / conv3-512 conv3-512 conv3-512 conv3-512 / conv3-512 conv3-512 conv3-512 conv3-512",
}
SMALL = "conv3-16 / conv3-32 / conv3-64 conv3-64 / conv3-128 conv3-128 / conv3-128 conv3-128"

CLASSIFIER: tuple[Layer, ...] = (
    Linear(4096),
    RELU,
    Dropout(),
    Linear(4096),
    RELU,
    Dropout(),
    Linear(),
)


def read_column(column: str, *, batch_norm: bool = False) -> tuple[Layer, ...]:
    """The layers of one column of table 1; a ReLU follows every convolution, as the paper says in words.

    Convolutions keep the resolution; with `batch_norm` each is normalised before its ReLU.
    """
    layers: list[Layer] = []
    for word in f"{column} /".split():
        if word == "/":
            layers.append(Pool("max", 2, 2))
        elif word == "LRN":
            layers.append(ResponseNorm())
        else:
            kernel, channels = map(int, word.removeprefix("conv").split("-"))
            layers.append(Conv(channels, kernel, padding=kernel // 2))
            layers.extend((BatchNorm(), RELU) if batch_norm else (RELU,))
    return (*layers, Flatten(), *CLASSIFIER)


def _vgg(name: str, column: str, *, batch_norm: bool = False) -> Arch:
    return Arch(
        name=name,
        family="vgg",
        summary=f"configuration {column}" + (" with batch normalization" if batch_norm else ""),
        source=f"Simonyan & Zisserman 2014, table 1, column {column}",
        year=2014,
        layers=read_column(COLUMNS[column], batch_norm=batch_norm),
    )


VGG_SMALL = Arch(
    name="vgg-small",
    family="vgg",
    summary="configuration A with a quarter of its channels, for Fashion-MNIST",
    source="Zhang et al., Dive into Deep Learning, section 8.2",
    year=2023,
    channels=1,
    classes=10,
    layers=read_column(SMALL),
)

ARCHITECTURES = (
    _vgg("vgg11", "A"),
    _vgg("vgg13", "B"),
    _vgg("vgg16", "D"),
    _vgg("vgg19", "E"),
    _vgg("vgg11-bn", "A", batch_norm=True),
    _vgg("vgg13-bn", "B", batch_norm=True),
    _vgg("vgg16-bn", "D", batch_norm=True),
    _vgg("vgg19-bn", "E", batch_norm=True),
    _vgg("vgg11-lrn", "A-LRN"),
    _vgg("vgg16-c", "C"),
    VGG_SMALL,
)
