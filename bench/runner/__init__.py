"""The parent's side of a run: one case after the other."""
