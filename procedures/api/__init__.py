"""The REST door: translates, and decides nothing."""
