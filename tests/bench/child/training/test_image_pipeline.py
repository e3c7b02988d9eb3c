"""Batches for the network, from uint8 images: against brute force, torchvision, PIL and numpy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as TF
from PIL import Image
from scipy import stats
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bench.child.training.image_pipeline import Pipeline, colour_basis
from bench.schema.training_task import AUGMENTATIONS, Augmentation, Recipe
from models.errors import UserError

NCHW, CHANNELS_LAST = torch.contiguous_format, torch.channels_last


def planted(count: int, channels: int, side: int, seed: int = 0) -> Tensor:
    """Random images in which no pixel is black, so that a crop's border can be told from them."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator)


def pipeline(
    augment: tuple[Augmentation, ...] = (),
    *,
    image: int = 8,
    own: int = 1,
    channels: int | None = None,
    moments: tuple[list[float], list[float]] | None = None,
    mirrors: bool = True,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = NCHW,
    device: str = "cpu",
    colours: Tensor | None = None,
) -> Pipeline:
    mean, std = moments or ([0.5] * own, [0.25] * own)
    return Pipeline(
        recipe=Recipe(name="planted", epochs=1, lr=0.1, augment=augment, normalise=moments is not None),
        image=image,
        channels=own if channels is None else channels,
        mean=mean,
        std=std,
        mirrors=mirrors,
        dtype=dtype,
        memory_format=memory_format,
        device=device,
        colours=colours,
    )


def seeded(seed: int = 1, device: str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def as_pixels(batch: Tensor) -> Tensor:
    """Back to uint8, exactly: a batch of no resizing and no colours holds whole 255ths."""
    pixels = batch * 255
    assert torch.allclose(pixels, pixels.round(), atol=1e-4)
    return pixels.round().to(torch.uint8)


# -- pixels, size, layout --------------------------------------------------------------------------


@pytest.mark.parametrize("own", [1, 3])
def test_without_anything_asked_a_batch_is_what_to_tensor_gives(own: int) -> None:
    images = planted(5, own, 8)
    expected = torch.stack([TF.to_tensor(image.permute(1, 2, 0).numpy()) for image in images])
    plain = pipeline(own=own)
    assert torch.equal(plain.training(images, seeded()), expected)
    assert torch.equal(plain.evaluation(images), expected)


@pytest.mark.parametrize("memory_format", [NCHW, CHANNELS_LAST])
@pytest.mark.parametrize(
    ("own", "side", "image"), [(1, 28, 224), (3, 32, 96), (1, 8, 28), (3, 32, 20), (1, 9, 4)]
)
def test_resizing_is_torchvisions(
    own: int, side: int, image: int, memory_format: torch.memory_format
) -> None:
    images = planted(6, own, side)
    found = pipeline(own=own, image=image, memory_format=memory_format).evaluation(images)
    expected = TF.resize(images / 255, [image, image], antialias=True)
    assert torch.allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize(("own", "side", "image"), [(1, 28, 224), (3, 32, 64), (3, 32, 20)])
def test_resizing_is_pils_to_its_rounding(own: int, side: int, image: int) -> None:
    # PIL rounds to a whole level after the columns and again after the rows: half a level each.
    images = planted(4, own, side)
    found = pipeline(own=own, image=image).evaluation(images)
    for each, batch in zip(images, found, strict=True):
        pixels = each.permute(1, 2, 0).numpy()
        picture = Image.fromarray(pixels[:, :, 0] if own == 1 else pixels)
        theirs = TF.to_tensor(picture.resize((image, image), Image.Resampling.BILINEAR))
        difference = (batch - theirs).abs() * 255
        assert difference.max() <= 1.01
        assert difference.mean() < 0.5


def test_grey_images_go_to_three_channels_as_three_equal_ones() -> None:
    images = planted(4, 1, 8)
    for image, memory_format in itertools.product((8, 24), (NCHW, CHANNELS_LAST)):
        found = pipeline(image=image, channels=3, memory_format=memory_format).evaluation(images)
        expected = TF.resize(images / 255, [image, image], antialias=True)
        assert torch.allclose(found, expected.expand(-1, 3, -1, -1), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("memory_format", [NCHW, CHANNELS_LAST])
@pytest.mark.parametrize(("own", "channels"), [(1, 1), (1, 3), (3, 3)])
@pytest.mark.parametrize("image", [8, 20])
def test_dtype_and_layout_come_out_as_asked(
    dtype: torch.dtype, memory_format: torch.memory_format, own: int, channels: int, image: int
) -> None:
    images = planted(4, own, 8)
    asked = pipeline(
        AUGMENTATIONS,
        image=image,
        own=own,
        channels=channels,
        dtype=dtype,
        memory_format=memory_format,
        colours=torch.eye(3),
    )
    exact = pipeline(image=image, own=own, channels=channels).evaluation(images)
    for batch in (asked.training(images, seeded()), asked.evaluation(images)):
        assert batch.dtype == dtype
        assert batch.shape == (4, channels, image, image)
        assert batch.is_contiguous(memory_format=memory_format)
    assert torch.allclose(asked.evaluation(images).float(), exact, atol=torch.finfo(dtype).eps)


def test_normalising_takes_each_channels_own_moments() -> None:
    images = planted(64, 3, 8)
    pixels = (images / 255).double()
    mean, std = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))
    found = pipeline(own=3, moments=(mean.tolist(), std.tolist())).evaluation(images).double()
    assert torch.allclose(found.mean((0, 2, 3)), torch.zeros(3).double(), atol=1e-6)
    assert torch.allclose(found.std((0, 2, 3)), torch.ones(3).double(), atol=1e-6)


def test_normalising_before_resizing_is_normalising_after() -> None:
    images = planted(8, 3, 32)
    mean, std = [0.1, 0.5, 0.8], [0.2, 0.3, 0.5]
    for image in (20, 64):
        found = pipeline(own=3, image=image, moments=(mean, std)).evaluation(images)
        expected = TF.normalize(TF.resize(images / 255, [image, image], antialias=True), mean, std)
        assert torch.allclose(found, expected, atol=1e-5)


def test_autocast_around_it_does_not_round_the_images() -> None:
    images = planted(8, 3, 8)
    asked = pipeline(AUGMENTATIONS, own=3, image=20, colours=torch.eye(3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        within = asked.training(images, seeded())
    assert torch.equal(within, asked.training(images, seeded()))


def test_images_of_another_side_are_resized_too() -> None:
    resizes = pipeline(image=16)
    for side in (8, 12, 8):
        images = planted(3, 1, side)
        expected = TF.resize(images / 255, [16, 16], antialias=True)
        assert torch.allclose(resizes.evaluation(images), expected, atol=1e-6)


def test_colour_images_cannot_train_a_network_of_one_channel() -> None:
    with pytest.raises(UserError, match=r"3 channels .* network of 1"):
        pipeline(own=3, channels=1)


# -- crop and flip ---------------------------------------------------------------------------------


def shifts(image: Tensor, reach: int, *, mirrored: bool) -> list[Tensor]:
    """All (2 * reach + 1)^2 shifts of (c, s, s) over black, by plain slices; then their mirror images."""
    side = image.shape[-1]
    border = torch.zeros(len(image), side + 2 * reach, side + 2 * reach, dtype=torch.uint8)
    border[:, reach : reach + side, reach : reach + side] = image
    steps = range(2 * reach + 1)
    found = [border[:, top : top + side, left : left + side] for top in steps for left in steps]
    return found + [each.flip(2) for each in found] if mirrored else found


def drawn(batch: Tensor, images: Tensor, reach: int, *, mirrored: bool) -> list[int]:
    """Which of its possible views each image became; an image that is none of them fails."""
    found = []
    for image, each in zip(images, batch, strict=True):
        same = [torch.equal(each, view) for view in shifts(image, reach, mirrored=mirrored)]
        assert sum(same) == 1
        found.append(same.index(True))
    return found


@pytest.mark.parametrize(("side", "reach"), [(7, 0), (8, 1), (16, 2), (28, 3), (32, 4)])
@pytest.mark.parametrize("own", [1, 3])
def test_a_crop_is_one_of_the_shifts_of_up_to_an_eighth(side: int, reach: int, own: int) -> None:
    images = planted(24, own, side)
    batch = as_pixels(pipeline(("crop",), own=own, image=side).training(images, seeded()))
    drawn(batch, images, reach, mirrored=False)


def test_every_shift_is_as_likely_in_every_batch() -> None:
    images = planted(900, 1, 8)
    batch = as_pixels(pipeline(("crop",)).training(images, seeded()))
    counts = np.bincount(drawn(batch, images, 1, mirrored=False), minlength=9)
    assert stats.chisquare(counts).pvalue > 0.001


def test_images_are_mirrored_exactly_and_about_half_of_them() -> None:
    images = planted(2000, 3, 8)
    batch = as_pixels(pipeline(("flip",), own=3).training(images, seeded()))
    mirrored = sum(drawn(batch, images, 0, mirrored=True))
    assert stats.binomtest(mirrored, 2000, 0.5).pvalue > 0.001


def test_crop_and_flip_together_draw_each_for_itself() -> None:
    images = planted(1800, 1, 8)
    batch = as_pixels(pipeline(("crop", "flip")).training(images, seeded()))
    counts = np.bincount(drawn(batch, images, 1, mirrored=True), minlength=18)
    assert stats.chisquare(counts).pvalue > 0.001


def test_digits_that_may_not_be_mirrored_are_not() -> None:
    images = planted(64, 1, 8)
    assert torch.equal(pipeline(("flip",), mirrors=False).training(images, seeded()), images / 255)


def test_a_network_of_larger_images_sees_the_same_views() -> None:
    images = planted(16, 1, 8)
    small = pipeline(("crop", "flip")).training(images, seeded())
    large = pipeline(("crop", "flip"), image=56).training(images, seeded())
    assert torch.allclose(large, TF.resize(small, [56, 56], antialias=True), atol=1e-6)


def test_the_border_of_a_crop_is_black_before_normalising() -> None:
    images = planted(32, 1, 8)
    plain = pipeline(("crop",)).training(images, seeded())
    normalised = pipeline(("crop",), moments=([0.3], [0.2])).training(images, seeded())
    assert (plain == 0).any()
    assert torch.allclose(normalised[plain == 0], torch.tensor(-0.3 / 0.2))


# -- the colour jitter -----------------------------------------------------------------------------

BASIS = torch.tensor([[0.8, -0.3, 0.05], [0.5, 0.1, -0.2], [0.4, 0.4, 0.1]])
"""Planted, neither symmetric nor orthogonal: a transpose shows."""


def jitters(count: int, **changed: Any) -> Tensor:
    """What the jitter added to each channel of each image: (count, 3)."""
    images = planted(count, 3, 4)
    batch = pipeline(("pca",), own=3, image=4, colours=BASIS, **changed).training(images, seeded())
    added = batch - images / 255
    assert torch.allclose(added, added[:, :, :1, :1].expand_as(added), atol=1e-6)
    return added[:, :, 0, 0].double()


def test_the_jitter_adds_one_colour_to_all_pixels_of_an_image_and_another_to_the_next() -> None:
    added = jitters(50)
    assert len(torch.unique(added, dim=0)) == 50


def test_the_jitter_has_the_covariance_of_the_paper() -> None:
    # Undone by what was planted, the draws must be independent standard normal numbers.
    added = jitters(20_000)
    weights = added @ torch.linalg.inv(BASIS.double() * 0.1).T
    for column in weights.T:
        assert stats.kstest(column.numpy(), "norm").pvalue > 0.001
    for one, two in itertools.combinations(weights.T, 2):
        assert stats.pearsonr(one.numpy(), two.numpy()).pvalue > 0.001
    expected = BASIS.double() @ BASIS.double().T * 0.01
    assert torch.allclose(torch.cov(added.T), expected, atol=0.03 * float(expected.max()))


def test_the_jitter_is_added_to_pixels_before_they_are_normalised() -> None:
    images = planted(4, 3, 4)
    plain = pipeline(("pca",), own=3, image=4, colours=BASIS).training(images, seeded())
    mean, std = [0.1, 0.5, 0.8], [0.2, 0.3, 0.5]
    asked = pipeline(("pca",), own=3, image=4, colours=BASIS, moments=(mean, std))
    assert torch.allclose(asked.training(images, seeded()), TF.normalize(plain, mean, std), atol=1e-5)


def test_grey_images_have_no_colour_to_jitter() -> None:
    images = planted(4, 1, 8)
    asked = pipeline(("pca",), channels=3)
    assert torch.equal(asked.training(images, seeded()), asked.evaluation(images))


def test_a_colour_jitter_without_a_basis_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="color basis"):
        pipeline(("pca",), own=3)


def test_the_basis_is_the_principal_components_of_all_pixels() -> None:
    # Correlated colours, more images than one chunk holds, against numpy's covariance and eigenvectors.
    generator = seeded(3)
    mixed = torch.rand(5000, 3, 4, 4, generator=generator)
    mixed[:, 1] = 0.7 * mixed[:, 0] + 0.3 * mixed[:, 1]
    images = (mixed * 255).to(torch.uint8)
    basis = colour_basis(images).double().numpy()
    pixels = images.permute(1, 0, 2, 3).reshape(3, -1).numpy() / 255
    covariance = np.cov(pixels, bias=True)
    values, vectors = np.linalg.eigh(covariance)
    assert basis @ basis.T == pytest.approx(covariance, rel=1e-5)
    assert np.abs(basis) == pytest.approx(np.abs(vectors * np.sqrt(values)), rel=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_grey_in_three_channels_has_a_basis_of_one_component(seed: int) -> None:
    # Two eigenvalues are 0, or a rounding below it, where a square root has no answer.
    images = planted(7, 1, 5, seed).expand(-1, 3, -1, -1)
    basis = colour_basis(images)
    deviation = float((images[:, 0] / 255).std(correction=0))
    assert torch.allclose(basis[:, :2], torch.zeros(3, 2), atol=1e-6)
    assert torch.allclose(basis[:, 2].abs(), torch.full((3,), deviation), atol=1e-6)


# -- draws, and what they cost ---------------------------------------------------------------------


@pytest.mark.parametrize("memory_format", [NCHW, CHANNELS_LAST])
def test_one_seed_gives_one_batch_and_another_seed_another(memory_format: torch.memory_format) -> None:
    images = planted(32, 3, 8)
    asked = pipeline(AUGMENTATIONS, own=3, image=20, colours=BASIS, memory_format=memory_format)
    first = asked.training(images, seeded(1))
    assert torch.equal(first, asked.training(images, seeded(1)))
    assert not torch.equal(first, asked.training(images, seeded(2)))


def test_a_batch_after_another_is_drawn_anew_and_leaves_torchs_own_generator_alone() -> None:
    images, generator = planted(32, 1, 8), seeded()
    asked = pipeline(("crop", "flip"))
    before = torch.get_rng_state()
    assert not torch.equal(asked.training(images, generator), asked.training(images, generator))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("own", [1, 3])
def test_the_images_are_left_as_they_were(own: int) -> None:
    images = planted(8, own, 8)
    kept = images.clone()
    asked = pipeline(AUGMENTATIONS, own=own, colours=BASIS, moments=([0.5] * own, [0.2] * own))
    asked.training(images, seeded())
    asked.evaluation(images)
    assert torch.equal(images, kept)


class Calls(TorchDispatchMode):
    """Counts the calls of torch's operators; one whose result Python has to wait for fails."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique", "equal")

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count += 1
        name = func.overloadpacket.__name__
        assert not name.startswith(self.WAITING), f"{name} waits for the device"
        assert name != "_to_copy" or (kwargs or {}).get("device") is None, "a copy to another device"
        # Indexing by truth values waits for how many there are.
        chosen = args[1] if name == "index" else ()
        assert all(each is None or each.dtype != torch.bool for each in chosen), "indexed by truth values"
        return func(*args, **(kwargs or {}))


@pytest.fixture
def nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What copies a tensor out of its device fails: on a CPU it is no operator's call, which `Calls` sees."""

    def leave(*_: Any) -> None:
        raise AssertionError("a tensor leaves its device")

    for name in ("cpu", "numpy", "tolist"):
        monkeypatch.setattr(torch.Tensor, name, leave)


@pytest.mark.usefixtures("nothing_leaves")
@pytest.mark.parametrize(("own", "channels"), [(1, 3), (3, 3)])
@pytest.mark.parametrize("image", [8, 20])
def test_nothing_waits_for_the_device_and_no_work_is_done_image_by_image(
    own: int, channels: int, image: int
) -> None:
    counts = []
    for size in (2, 64):
        images, generator = planted(size, own, 8), seeded()
        moments = ([0.5] * own, [0.2] * own)
        asked = pipeline(
            AUGMENTATIONS, own=own, channels=channels, image=image, colours=BASIS, moments=moments
        )
        with Calls() as calls:
            asked.training(images, generator)
            asked.evaluation(images)
        counts.append(calls.count)
    assert counts[0] == counts[1]


@pytest.mark.usefixtures("nothing_leaves")
@pytest.mark.parametrize(
    "waits",
    [
        lambda x: x.sum().item(),
        lambda x: 1 if x.any() else 0,
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
    ],
)
def test_the_test_above_sees_what_waits(waits: Callable[[Tensor], Any]) -> None:
    with Calls(), pytest.raises(AssertionError):
        waits(torch.ones(3))


@pytest.mark.cuda
@pytest.mark.parametrize("memory_format", [NCHW, CHANNELS_LAST])
def test_on_a_gpu_nothing_synchronises_and_batches_are_the_cpus(memory_format: torch.memory_format) -> None:
    images = planted(64, 3, 32)
    moments = ([0.5] * 3, [0.25] * 3)
    basis = colour_basis(images)
    assert torch.equal(colour_basis(images.cuda()).cpu(), basis)
    asked = pipeline(
        AUGMENTATIONS,
        own=3,
        image=96,
        moments=moments,
        memory_format=memory_format,
        device="cuda",
        colours=basis,
    )
    there, generator = images.cuda(), seeded(1, "cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        trained, evaluated = asked.training(there, generator), asked.evaluation(there)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(trained, asked.training(there, seeded(1, "cuda")))
    expected = pipeline(own=3, image=96, moments=moments).evaluation(images)
    assert torch.allclose(evaluated.cpu(), expected, atol=1e-4)
