"""What a person sees on the terminal: live tables, progress, printed tables."""
