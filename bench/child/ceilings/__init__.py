"""What the machine can do: matrix products, convolutions and a copy, measured as networks are."""
