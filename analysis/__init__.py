"""The answers: rows, ranking, frontier, figures.

This room reads the rows of searches and nothing else: no Ray, no torch.
"""
