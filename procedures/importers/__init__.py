"""Other tools' files in, procedure folders out: one file or package per tool, found by the registry."""
