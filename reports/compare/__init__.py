"""Two runs, or two sides of pairs, row by row."""
