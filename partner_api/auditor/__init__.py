"""The auditor door: everything pseudonymous, at any moment, with its proof."""
