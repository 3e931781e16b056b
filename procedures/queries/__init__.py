"""Reads for the faces; nothing here writes."""
