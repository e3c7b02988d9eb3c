"""How convbench measures: cases, child processes, timing, memory, records."""
