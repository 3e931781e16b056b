"""Holes of the threat model from their attackers' places, and what a thief gets out of stolen pieces."""
