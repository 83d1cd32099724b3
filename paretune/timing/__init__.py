"""How long a plan takes on this machine, and how a search keeps a deadline."""
