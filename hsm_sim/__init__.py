"""A signing device in pure Python, behaving like real ones on good days and on bad."""
