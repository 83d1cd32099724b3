"""Commands that train and use single models: confirm, retrain, evaluate, and what a task adds."""
