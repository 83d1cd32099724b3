"""Damaged files of a search: what cannot be read is set aside, and made anew where that is certain."""
