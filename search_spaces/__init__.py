"""The questions: YAML space files, and the model that loads and checks them.

Doors: :class:`search_spaces.loader.SpaceFile` (a file to a :class:`search_spaces.plan.PlanDraft`),
:class:`search_spaces.plan.Plan` (without contradictions, and back to a file), and
:mod:`search_spaces.sampling` (which configurations a space contains). This room knows neither
tasks nor Ray nor Optuna: whether a parameter exists is checked where both are known.
"""
