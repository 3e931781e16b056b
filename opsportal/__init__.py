"""The Django project: wires, decides nothing. Empty on purpose, so that client commands import no Django."""
