"""Plug-ins: what a step can do, one file each. They import `domain` and their own tools alone."""
