"""The parts of a plan: limits, the search itself, early stopping; each is checked on its own."""
