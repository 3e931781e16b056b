"""Workload identity: tokens of trusted issuers, exchanged."""
