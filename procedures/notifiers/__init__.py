"""Notifiers: plug-ins that carry a notice to a person, one file each."""
