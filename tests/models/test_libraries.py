"""What other libraries publish, against the libraries themselves; a stand-in answers for timm."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision import models as torchvision

from models import catalogue, libraries
from models.catalogue import Input, Timm, parse
from models.errors import UserError
from models.load import load
from models.spec import Literals
from models.user_code import FactoryError

CLASSIFICATION = torchvision.list_models(torchvision)


def default_weights(name: str) -> Any:
    return torchvision.get_model_weights(name)["DEFAULT"]


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_published_sizes_are_those_of_the_default_weights(name: str) -> None:
    said = default_weights(name)
    found = libraries.torchvision_network(name)
    assert found.image == said.transforms().crop_size[0]
    assert found.parameters == said.meta["num_params"]
    assert found.gmacs == said.meta["_ops"]
    assert found.classes == len(said.meta["categories"])


class _WeightsOnMeta(TorchFunctionMode):
    """Weights that hold no memory; RegNet computes its widths with tensors, so not every one may be so."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        place = {"device": "meta"} if func is torch.empty else {}
        return func(*args, **{**(kwargs or {}), **place})


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFICATION)
def test_the_published_form_has_the_published_parameters(name: str) -> None:
    own = catalogue.defaults(f"torchvision:{name}")
    with _WeightsOnMeta():
        module = load(
            f"torchvision:{name}", channels=3, image=own.image, classes=own.classes, device="meta"
        ).module
    published = default_weights(name).meta["num_params"]
    assert sum(each.numel() for each in module.parameters()) == published


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("inception_v3", 299),
        ("efficientnet_b7", 600),
        ("vit_h_14", 518),
        ("regnet_y_128gf", 384),
        ("vgg16", 224),
    ],
)
def test_images_are_of_the_published_size_where_none_is_given(name: str, image: int) -> None:
    assert catalogue.defaults(f"torchvision:{name}") == Input(3, image, 1000)


def test_a_network_of_segmentation_has_its_own_sizes() -> None:
    assert catalogue.defaults("torchvision:fcn_resnet50") == Input(3, 520, 21)


def test_googlenet_returns_one_tensor_in_training() -> None:
    module = load("torchvision:googlenet", channels=3, image=64, classes=5).module
    assert module.training
    assert module(torch.zeros(2, 3, 64, 64)).shape == (2, 5)


def test_a_transformer_is_built_for_the_image_that_is_asked_for() -> None:
    module = load("torchvision:vit_b_32", channels=3, image=64, classes=5).module
    assert module.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 5)


def test_arguments_go_to_the_builder() -> None:
    module: Any = load("torchvision:densenet121(drop_rate=0.25)", channels=3, image=32, classes=5).module
    assert module.features.denseblock1.denselayer1.drop_rate == 0.25


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("torchvision:vgg11(weights='DEFAULT')", "measured with random weights: weights cannot be given"),
        (
            "torchvision:vgg11(num_classes=3)",
            "num_classes of torchvision:vgg11 is an option. Give --classes",
        ),
        ("torchvision:vgg11(0.1)", "takes its arguments by name"),
        ("torchvision:vgg11(depth=3)", "torchvision:vgg11 failed with TypeError: .*'depth'"),
    ],
)
def test_arguments_that_a_builder_does_not_get(spec: str, words: str) -> None:
    with pytest.raises(FactoryError, match=words):
        load(spec, channels=3, image=32, classes=5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fasterrcnn_resnet50_fpn", "finds objects"),
        ("r3d_18", "network of video"),
        ("raft_small", "two images"),
        ("quantized_resnet18", "quantized"),
    ],
)
def test_networks_that_take_no_single_images_are_refused(name: str, words: str) -> None:
    with pytest.raises(UserError, match=f"torchvision:{name} .*{words}"):
        parse(f"torchvision:{name}")


TIMM = """
from torch import nn
class Said:
    def __init__(self, side, fixed=False, classes=1000):
        self.input_size, self.fixed_input_size, self.num_classes = (3, side, side), fixed, classes
SAID = {"resnet50": Said(224), "resnet50.c2": Said(288), "vit": Said(518, True, 0), "bare": None}
print("imported")
def list_models(): return ["bare", "resnet50", "vit"]
def list_pretrained(): return ["resnet50.c2"]
def get_pretrained_cfg(name): return SAID[name]
def create_model(name, pretrained, **given):
    made = nn.Identity()
    made.given = (name, pretrained, given)
    return made
"""


@pytest.fixture
def timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of that name that is installed, for this process and those that it starts."""
    (tmp_path / "timm-9.0.dist-info").mkdir()
    (tmp_path / "timm-9.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: timm\nVersion: 9.0\n"
    )
    (tmp_path / "timm.py").write_text(TIMM.replace("from torch import nn", "nn = None"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    libraries.timm_networks.cache_clear()
    yield tmp_path
    libraries.timm_networks.cache_clear()
    sys.modules.pop("timm", None)


def test_timm_is_asked_once_and_its_answer_kept_for_its_version(timm: Path) -> None:
    assert catalogue.defaults("timm:resnet50.c2") == Input(3, 288, 1000)
    assert catalogue.defaults("timm:vit") == Input(3, 518, 1000)
    assert catalogue.defaults("timm:bare") == Input()
    kept = timm / "cache" / "convbench" / "timm-9.0.json"
    libraries.timm_networks.cache_clear()
    kept.write_bytes(kept.read_bytes().replace(b"288", b"320"))
    assert catalogue.defaults("timm:resnet50.c2(drop_rate=0.1)") == Input(3, 320, 1000)
    libraries.timm_networks.cache_clear()
    kept.write_bytes(b"torn")
    assert catalogue.defaults("timm:resnet50.c2") == Input(3, 288, 1000)


def test_a_timm_that_cannot_be_imported_is_told(timm: Path) -> None:
    (timm / "timm.py").write_text("raise ImportError('no torch here')")
    with pytest.raises(UserError, match="timm cannot be imported: ImportError: no torch here"):
        parse("timm:resnet50")


@pytest.mark.usefixtures("timm")
def test_names_of_timm() -> None:
    assert parse("timm:resnet50.c2(drop_rate=0.1)") == Timm("resnet50.c2", Literals((), {"drop_rate": 0.1}))
    with pytest.raises(UserError, match=r"unknown timm model 'resnet5'. Did you mean 'resnet50'"):
        parse("timm:resnet5")


def test_without_timm_the_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "timm_networks", dict)
    with pytest.raises(
        UserError, match=r"timm:resnet50 needs the package timm: pip install 'convbench\[timm\]'"
    ):
        parse("timm:resnet50")


def test_timm_builds_without_weights_for_the_sizes_of_the_case(timm: Path) -> None:
    (timm / "timm.py").write_text(TIMM)
    for spec, image, given in (
        ("timm:resnet50", 64, {"num_classes": 7, "in_chans": 1}),
        ("timm:vit", 518, {"num_classes": 7, "in_chans": 1}),
        ("timm:vit", 64, {"num_classes": 7, "in_chans": 1, "img_size": 64}),
        ("timm:bare(drop_rate=0.5)", 64, {"num_classes": 7, "in_chans": 1, "drop_rate": 0.5}),
    ):
        module = load(spec, channels=1, image=image, classes=7).module
        assert isinstance(module, nn.Identity)
        assert module.given == (spec[5:].partition("(")[0], False, given)
