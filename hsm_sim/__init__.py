"""A signing token in pure Python for tests; empty until the signer is built."""
