"""convbench inside pytest, over pytest-benchmark. Nothing here imports torch before a benchmark runs."""
