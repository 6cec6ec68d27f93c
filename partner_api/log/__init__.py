"""The log door: checkpoint, tiles and proofs for everybody (C2SP tlog-tiles)."""
