"""The one process that asks others for the web tier: where signed changes say, and nowhere else."""
