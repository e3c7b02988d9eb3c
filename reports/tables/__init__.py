"""How rows and figures are shown: columns, wording, names."""
