"""A throw-away company: its hosts, its people, and one day of its work."""
