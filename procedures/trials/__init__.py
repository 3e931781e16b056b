"""A procedure's own tests: read, played through in the sandbox or against recorded answers, and told."""
