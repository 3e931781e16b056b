"""Plug-ins: where credentials come from, one file each."""
