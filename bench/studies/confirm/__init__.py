"""`convbench fleet confirm`: the suspects of a fleet again, in rounds beside references."""
