"""The colors of pictures: Okabe and Ito's, which all kinds of color vision tell apart."""

from __future__ import annotations

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
ON_DARK = ("#58a6e8", "#f08a4b", "#3cc7a0", "#e3a3c8", "#f2bd4a", "#a5daf7", "#e3e6ea", "#c9a36a")
"""The same hues for dark paper, one for each of COLORS."""
