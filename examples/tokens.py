"""A network of tokens: measure it with `--model examples/tokens.py:encoder`."""

import torch
from torch import nn

VOCABULARY, WIDTH, LENGTH = 1000, 64, 32


class Encoder(nn.Module):
    """Two layers of a transformer over embedded tokens, and a classifier of their mean."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, nhead=4, dim_feedforward=128, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.classify = nn.Linear(WIDTH, classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """From (batch, length) to (batch, classes)."""
        outputs: torch.Tensor = self.classify(self.layers(self.embed(tokens)).mean(dim=1))
        return outputs


def encoder(classes: int) -> nn.Module:
    """The factory that `--model` names."""
    return Encoder(classes)


def inputs(batch: int, device: torch.device) -> torch.Tensor:
    """What the network is given: found beside the factory, and called with a batch and a device."""
    return torch.randint(VOCABULARY, (batch, LENGTH), device=device)
