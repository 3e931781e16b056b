"""Lends credentials: derives their scope from the approved plan and decides from signed events, never from tables."""
