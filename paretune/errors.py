"""The error for what a person asked for and cannot have."""

from __future__ import annotations


class InputError(ValueError):
    """Something asked for that cannot be done; the message says why and what to do instead."""
