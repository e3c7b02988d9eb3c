"""What changed over the runs of an archive, and when."""
