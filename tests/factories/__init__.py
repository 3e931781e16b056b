"""Portals, people and versions for tests: exactly the rights that a sentence names, and no more."""
