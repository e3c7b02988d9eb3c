"""Networks that take something else than images, and what that is: files as a user writes them."""

from __future__ import annotations

ENCODER = """
import torch
from torch import nn

class Encoder(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.fc = nn.Linear(16, classes)

    def forward(self, tokens):
        return self.fc(self.encoder(self.embed(tokens)).mean(1))

def make(classes):
    return Encoder(classes)

def inputs(batch, device):
    return torch.randint(50, (batch, 12), device=device)
"""
LSTM = """
import torch
from torch import nn

class Sequence(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.lstm = nn.LSTM(6, 8)
        self.fc = nn.Linear(8, classes)

    def forward(self, steps):
        return self.fc(self.lstm(steps)[0][-1])

def make(classes):
    return Sequence(classes)

def inputs(batch, device):
    return torch.randn(7, batch, 6, device=device)
"""
TWO = """
import torch
from torch import nn

class Two(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc = nn.Linear(8, classes)

    def forward(self, left, *, right, mask):
        one, other = (self.conv(images).mean((2, 3)) for images in (left, right))
        return self.fc(torch.cat([one, other * mask], 1))

def make(classes):
    return Two(classes)

def inputs(batch, device):
    return {
        "left": torch.randn(batch, 1, 8, 10, device=device),
        "right": torch.randn(batch, 1, 6, 6, device=device),
        "mask": torch.ones(batch, 1, dtype=torch.bool, device=device),
    }
"""
SHAPED = """
from torch import nn

def conv1d(channels, classes):
    return nn.Sequential(
        nn.Conv1d(channels, 8, 5), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, classes)
    )

def conv2d(channels, classes, image=None):
    assert image is None
    return nn.Sequential(
        nn.Conv2d(channels, 8, 5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)
    )

def conv3d(channels, classes):
    return nn.Sequential(
        nn.Conv3d(channels, 8, 5), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, classes)
    )

def lazy(classes):
    return nn.Sequential(nn.LazyConv2d(8, 5), nn.Flatten(), nn.LazyLinear(classes))
"""
