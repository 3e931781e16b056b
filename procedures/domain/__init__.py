"""What is legal: plain Python, no Django, no input or output."""
