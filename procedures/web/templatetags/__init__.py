"""Template tags of the pages, built in by settings so that no template has to load them."""
