"""AlexNet in its usual forms: torchvision's one tower, the two towers of 2012, the textbook's tower."""

from msgspec import structs

from models.arch import (
    Activation,
    AdaptivePool,
    Arch,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Linear,
    Pool,
    ResponseNorm,
)

RELU = Activation("relu")
OVERLAPPING = Pool("max", 3, 2)

# Torchvision drops out before each hidden layer, the paper and the textbook after it.
DROPOUT_BEFORE: tuple[Layer, ...] = (
    Dropout(),
    Linear(4096),
    RELU,
    Dropout(),
    Linear(4096),
    RELU,
    Linear(),
)
DROPOUT_AFTER: tuple[Layer, ...] = (
    Linear(4096),
    RELU,
    Dropout(),
    Linear(4096),
    RELU,
    Dropout(),
    Linear(),
)

ALEXNET = Arch(
    name="alexnet",
    family="alexnet",
    summary="the one-tower form of torchvision",
    source="Krizhevsky 2014 (one weird trick), as torchvision has it",
    year=2014,
    layers=(
        Conv(64, 11, stride=4, padding=2),
        RELU,
        OVERLAPPING,
        Conv(192, 5, padding=2),
        RELU,
        OVERLAPPING,
        Conv(384, 3, padding=1),
        RELU,
        Conv(256, 3, padding=1),
        RELU,
        Conv(256, 3, padding=1),
        RELU,
        OVERLAPPING,
        AdaptivePool(6),
        Flatten(),
        *DROPOUT_BEFORE,
    ),
)

ALEXNET_GROUPED = Arch(
    name="alexnet-grouped",
    family="alexnet",
    summary="two towers as groups, local response normalization, 227x227",
    source="Krizhevsky et al. 2012",
    year=2012,
    image=227,
    layers=(
        Conv(96, 11, stride=4),
        RELU,
        ResponseNorm(),
        OVERLAPPING,
        Conv(256, 5, padding=2, groups=2),
        RELU,
        ResponseNorm(),
        OVERLAPPING,
        Conv(384, 3, padding=1),
        RELU,
        Conv(384, 3, padding=1, groups=2),
        RELU,
        Conv(256, 3, padding=1, groups=2),
        RELU,
        OVERLAPPING,
        Flatten(),
        *DROPOUT_AFTER,
    ),
)

ALEXNET_TOWERS = structs.replace(
    ALEXNET_GROUPED,
    name="alexnet-towers",
    summary="the same with the normalization inside each tower",
    # Across the towers it would need maps of the other GPU, which section 3.2 sends at conv3 alone.
    layers=tuple(
        ResponseNorm(groups=2) if isinstance(layer, ResponseNorm) else layer
        for layer in ALEXNET_GROUPED.layers
    ),
)

ALEXNET_96 = Arch(
    name="alexnet-96",
    family="alexnet",
    summary="the textbook's one-tower form",
    source="Zhang et al., Dive into Deep Learning, section 8.1",
    year=2023,
    channels=1,
    classes=10,
    layers=(
        Conv(96, 11, stride=4, padding=1),
        RELU,
        OVERLAPPING,
        Conv(256, 5, padding=2),
        RELU,
        OVERLAPPING,
        Conv(384, 3, padding=1),
        RELU,
        Conv(384, 3, padding=1),
        RELU,
        Conv(256, 3, padding=1),
        RELU,
        OVERLAPPING,
        Flatten(),
        *DROPOUT_AFTER,
    ),
)

ARCHITECTURES = (ALEXNET, ALEXNET_GROUPED, ALEXNET_TOWERS, ALEXNET_96)
