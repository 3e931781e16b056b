"""Everything that can happen, one function each; the only writers of state."""
