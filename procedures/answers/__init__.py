"""Who may what and why, as of any date: answered from the signed events alone, and held against the tables."""
