"""LeNet-5 in the textbook's form: sigmoid, average pooling, no Gaussian output layer."""

from models.arch import Activation, Arch, Conv, Flatten, Linear, Pool

SIGMOID = Activation("sigmoid")

LENET5 = Arch(
    name="lenet5",
    family="lenet",
    summary="sigmoid, average pooling, 28x28",
    source="LeCun et al. 1998, with average pooling and a plain linear output as the textbook has it",
    year=1998,
    channels=1,
    image=28,
    classes=10,
    layers=(
        Conv(6, 5, padding=2),
        SIGMOID,
        Pool("avg", 2, 2),
        Conv(16, 5),
        SIGMOID,
        Pool("avg", 2, 2),
        Flatten(),
        Linear(120),
        SIGMOID,
        Linear(84),
        SIGMOID,
        Linear(),
    ),
)

ARCHITECTURES = (LENET5,)
