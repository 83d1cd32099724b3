"""Rules of early stopping, replayed on whole learning curves and judged by the winners that they lose."""
