"""Drives one claimed run through its steps and tells the truth about how each ended."""
