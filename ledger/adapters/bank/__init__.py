"""Bank files of ISO 20022: what we send to be paid out, and what banks tell us happened."""
