"""The GPT-2 task: language models on text, from plain GPT-2 to the speedruns' descendants of it.

Doors: :mod:`trainables.gpt2.task`; :mod:`trainables.gpt2.generation` for ``paretune generate``.
"""
