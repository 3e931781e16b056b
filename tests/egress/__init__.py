"""The way out of the web tier: tried from the place of a web process that is another's."""
