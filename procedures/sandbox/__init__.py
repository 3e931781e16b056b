"""Where local steps run: own user, read-only system, no network, nothing of the runner in sight."""
