"""`convbench bisect`: the commit that made a case slower."""
