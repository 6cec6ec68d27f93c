"""Benchmarks: ratios against named baselines, run side by side; `python -m benchmarks`."""
