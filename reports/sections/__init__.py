"""One topic of a report each: tables and plots."""
