"""The questions: YAML space files, and the model that loads and checks them.

Doors: :func:`search_spaces.loader.load_space` (a file to a :class:`search_spaces.plan.Plan`) and
:mod:`search_spaces.sampling` (which configurations a space contains). This room knows neither
tasks nor Ray nor Optuna: whether a parameter exists is checked where both are known.
"""
