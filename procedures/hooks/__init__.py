"""Doors that other systems knock at: webhooks in."""
