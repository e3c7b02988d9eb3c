"""What is written down or sent: data and its names; no input or output."""
