"""Reads for people that join or sum; each takes `valid_at` and `known_at` where both make sense."""
