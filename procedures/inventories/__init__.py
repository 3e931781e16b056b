"""Inventories of other tools, as hosts, groups and variables: one file per kind."""
