"""Pure statistics: estimates, intervals, verdicts."""
