"""What may not change: events, the log over them, its checkpoints, packs and the verifier."""
