"""Commands that decide from results what to measure next, a folder each."""
