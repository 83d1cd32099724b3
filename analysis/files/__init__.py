"""The files of a search: what lies in them, what a row must have, and how a crash may leave them."""
