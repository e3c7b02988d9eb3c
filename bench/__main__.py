"""`python -m bench` is `convbench`."""

from bench.cli import main

main()
