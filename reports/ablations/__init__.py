"""What a design choice costs and buys: the records of ablations -> tables, plots and words."""
