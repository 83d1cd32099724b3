"""Commands that answer from the rows of a search."""
