"""The embedded default: broker, web, runner and keeper under one parent that none of them outlives."""
