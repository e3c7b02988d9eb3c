"""What a design decision costs and buys: the records of ablations -> tables, plots and words."""
