"""Celery's room: a message in, one call out."""
