"""Who may do what: the decision, its list, and what a grant is."""
