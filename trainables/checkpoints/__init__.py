"""Checkpoint files, how they are looked at before they are loaded, and shared prefixes of runs."""

from trainables.checkpoints.files import (
    FORMAT,
    VERSION,
    LoadedModel,
    Snapshot,
    load,
    load_model,
    load_weights,
    make_snapshot,
    save,
)

__all__ = [
    "FORMAT",
    "VERSION",
    "LoadedModel",
    "Snapshot",
    "load",
    "load_model",
    "load_weights",
    "make_snapshot",
    "save",
]
