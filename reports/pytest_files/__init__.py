"""pytest-benchmark's JSON: what is read of it, shown of it, and compared with it.

One process measured all of a file, and any suite can have written it. So its figures have no interval across
processes, get no verdict, and are never pooled with those of runs.
"""
