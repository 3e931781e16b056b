"""The git binary, called so that a hostile repository can do nothing: no checkout, no hooks, no configuration."""
