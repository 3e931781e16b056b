"""The console script. Client commands import no Django."""
