"""The tamper-evident log: tree, tiles, proofs, signed notes; pure."""
