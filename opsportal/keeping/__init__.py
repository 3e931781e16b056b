"""What an operator does to keep a portal: set it up with separate processes, back it up, restore it."""
