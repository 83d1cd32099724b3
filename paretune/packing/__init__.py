"""How many trials share a GPU: measured, chosen, kept, and told."""
