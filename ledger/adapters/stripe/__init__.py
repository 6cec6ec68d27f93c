"""Payments through Stripe: typed calls, objects read into our words, signed messages checked."""
