"""The answers: rows, ranking, frontier, figures.

This room reads the rows that searches leave behind and nothing else: no Ray, no torch.
"""
