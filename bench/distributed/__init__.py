"""The ranks of one job: started, watched, and their ends told; knows nothing of what they measure."""
