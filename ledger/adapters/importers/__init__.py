"""Public data sets become entries: row by row, through the ordinary commands, nothing dropped."""
