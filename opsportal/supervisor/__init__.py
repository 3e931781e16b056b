"""The embedded default: broker, web, egress process, runner and keeper under one parent that none of them outlives."""
