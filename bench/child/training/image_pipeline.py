"""From uint8 images that live on the device to batches for the network: whole batches, nothing synchronises.

Images are cropped, mirrored, coloured and normalised at their own size, and resized last. Almost always
they grow, and 28 x 28 pixels are 64 times fewer than 224 x 224: what is done on them costs next to nothing.
All of it but the crop commutes with bilinear resizing, whose weights sum to 1; a crop by whole pixels of
the data (pad and crop, as is usual on CIFAR-10) shows a network at 32 and one at 224 the same views.

Resizing is two matrix products, one along the rows and one along the columns. On a CPU they are several
times faster than torch's `interpolate`, whose weights these are; and as the matrices repeat grey images
and write channels-last by themselves, a large batch is written once, which for three channels of 224 x 224
is nearly all of the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.schema.training_task import Recipe
from models.errors import UserError

CROP_SHARE = 8
"""A crop is shifted by up to this part of the side: an eighth."""
JITTER_STD = 0.1
"""Of the weights of the colours' principal components: Krizhevsky et al. 2012, section 4.1."""


class Pipeline:
    """Makes the batches of one training run.

    `image` and `channels` are what the network takes; `mean` and `std` are the data's, a number for each
    channel, of pixels from 0 to 1, and used if the recipe normalises; `mirrors` says whether a mirrored
    image keeps its label; `colours` is the `colour_basis` of the training set, needed for pca on colour
    images. Grey images go to a network of more channels as that many equal ones.

    Raises UserError where colour images meet a network of another number of channels.
    """

    def __init__(
        self,
        *,
        recipe: Recipe,
        image: int,
        channels: int,
        mean: Sequence[float],
        std: Sequence[float],
        mirrors: bool,
        dtype: torch.dtype,
        memory_format: torch.memory_format,
        device: torch.device | str,
        colours: Tensor | None,
    ) -> None:
        own = len(mean)
        if own not in (1, channels):
            raise UserError(
                f"the images of this dataset have {own} channels and cannot train a network of {channels}: "
                f"set the network's channels to {own}"
            )
        self._device = torch.device(device)
        self._image, self._channels = image, channels
        self._dtype, self._memory_format = dtype, memory_format
        self._crops = "crop" in recipe.augment
        self._mirrors = mirrors and "flip" in recipe.augment
        self._colours: Tensor | None = None
        if "pca" in recipe.augment and own == 3:
            if colours is None:
                raise ValueError("the color jitter needs the training set's color basis")
            self._colours = colours.to(self._device, torch.float32)
        self._moments: tuple[Tensor, Tensor] | None = None
        if recipe.normalise:
            self._moments = self._by_channel(mean), self._by_channel(std)
        # Depends on the side of the images, which the first batch tells.
        self._resizer: Resizer | None = None

    def training(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The batch to learn from: augmented as the recipe says.

        `images` are uint8 (b, c, s, s) on the device, and so is the generator. The batch is of shape
        (b, channels, image, image), in the dtype and the memory format of the run.
        """
        if self._crops or self._mirrors:
            images = self._crop_and_flip(images, generator)
        offsets = None if self._colours is None else colour_offsets(self._colours, len(images), generator)
        return self._finished(images, offsets)

    def evaluation(self, images: Tensor) -> Tensor:
        """The same batch without augmentation."""
        return self._finished(images, None)

    def _by_channel(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device).view(1, -1, 1, 1)

    def _crop_and_flip(self, images: Tensor, generator: torch.Generator) -> Tensor:
        shift = images.shape[-1] // CROP_SHARE if self._crops else 0
        n, device = len(images), self._device
        corners = torch.randint(2 * shift + 1, (2, n, 1), device=device, generator=generator)
        mirrored = None
        if self._mirrors:
            mirrored = torch.rand(n, device=device, generator=generator) < 0.5
        return crop_and_flip(images, corners, shift, mirrored)

    def _finished(self, images: Tensor, offsets: Tensor | None) -> Tensor:
        """Pixels from 0 to 1, coloured, normalised, resized, laid out."""
        batch = torch.div(images, 255)
        if offsets is not None:
            batch += offsets[:, :, None, None]
        if self._moments is not None:
            mean, std = self._moments
            batch.sub_(mean).div_(std)
        side = batch.shape[-1]
        if side == self._image:
            batch = batch.expand(-1, self._channels, -1, -1)
        else:
            if self._resizer is None or self._resizer.side != side:
                self._resizer = Resizer(batch, self._image, self._channels, self._memory_format)
            batch = self._resizer(batch)
        return batch.to(self._dtype).contiguous(memory_format=self._memory_format)


class Resizer:
    """Bilinear, antialiased where it shrinks: (b, c, side, side) to (b, channels, image, image), c or 1 to c.

    What is done to rows and to columns is what torch's `interpolate` does to the unit vectors. Under TF32
    the products round to 11 bits, as the network's first layer would round the images anyway.
    """

    def __init__(self, like: Tensor, image: int, channels: int, memory_format: torch.memory_format) -> None:
        own, self.side = like.shape[1], like.shape[-1]
        self._image, self._channels = image, channels
        self._channels_last = memory_format == torch.channels_last
        unit = torch.eye(self.side, dtype=torch.float64, device=like.device)[None, None]
        size = (image, self.side)
        weights = F.interpolate(unit, size=size, mode="bilinear", antialias=image < self.side)[0, 0]
        copies = channels // own
        if self._channels_last:
            # A row holds its pixels' channels side by side: each is resized for itself, or repeated.
            spread = torch.eye(own, device=like.device).repeat(1, copies)
            rows, columns = weights, torch.kron(weights.T.contiguous(), spread)
        else:
            rows, columns = weights.repeat(copies, 1), weights.T
        self._rows, self._columns = rows.float().contiguous(), columns.float().contiguous()

    def __call__(self, batch: Tensor) -> Tensor:
        count, side, image, channels = len(batch), self.side, self._image, self._channels
        # The precision of the network's layers is not the images'.
        with torch.autocast(batch.device.type, enabled=False):
            if self._channels_last:
                lines = batch.permute(0, 2, 3, 1).reshape(count, side, -1)
                resized = self._rows @ (lines @ self._columns)
                return resized.reshape(count, image, image, channels).permute(0, 3, 1, 2)
            lines = batch.reshape(-1, side, side)
            return (self._rows @ (lines @ self._columns)).reshape(count, channels, image, image)


def crop_and_flip(images: Tensor, corners: Tensor, shift: int, mirrored: Tensor | None) -> Tensor:
    """Each image cropped at its own corner of a black border `shift` pixels wide, and mirrored where asked.

    `corners` (2, b, 1) are rows and columns from 0 to 2 * shift, `mirrored` (b,) is bool. One gather.
    """
    count, channels, side, _ = images.shape
    places = torch.arange(side, device=images.device) + corners
    rows, columns = places[0], places[1]
    if mirrored is not None:
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    padded = F.pad(images, (shift, shift, shift, shift))
    pixels = rows[:, :, None] * padded.shape[-1] + columns[:, None, :]
    index = pixels.view(count, 1, -1).expand(-1, channels, -1)
    return padded.flatten(2).gather(2, index).view(images.shape)


def colour_offsets(colours: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """What the jitter adds to red, green and blue of each image: (count, 3), of pixels from 0 to 1."""
    weights = torch.randn(count, 3, device=colours.device, generator=generator) * JITTER_STD
    # Not a matrix product, which autocast and TF32 would round.
    return (weights[:, None, :] * colours).sum(2)


def colour_basis(images: Tensor) -> Tensor:
    """The principal components of the colours of all pixels, each as long as its standard deviation.

    `images` are uint8 (n, 3, s, s); the result is (3, 3), a component a column, of pixels from 0 to 1, and
    times its transpose it is the colours' covariance. Section 4.1 of Krizhevsky et al. 2012 says eigenvalue
    for the length, which would have the unit of a colour squared; the code that they published
    (cuda-convnet2) calls the lengths standard deviations, and so are these.
    """
    sums = torch.zeros(3, dtype=torch.float64, device=images.device)
    products = torch.zeros(3, 3, dtype=torch.float64, device=images.device)
    for chunk in images.split(4096):
        # Sums of whole numbers below 2^53: exact, in any order and on any device.
        pixels = chunk.transpose(0, 1).reshape(3, -1).double()
        sums += pixels.sum(1)
        products += pixels @ pixels.T
    count = images.numel() // 3
    mean = sums / count
    covariance = (products / count - torch.outer(mean, mean)) / 255**2
    values, vectors = torch.linalg.eigh(covariance.cpu())
    basis: Tensor = vectors * values.clamp(min=0).sqrt()
    return basis.float().to(images.device)
