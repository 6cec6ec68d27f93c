"""Values everybody shares: ids, money, energy, time, postings, envelope, refusals, errors."""
