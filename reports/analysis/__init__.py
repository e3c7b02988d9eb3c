"""What follows from the figures: utilisation, shares, parity."""
