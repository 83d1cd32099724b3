"""The Optuna study of a search, made from its rows, and optuna-dashboard on it."""
