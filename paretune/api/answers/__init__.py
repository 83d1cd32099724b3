"""Parts of what a search answers, by subject."""
