"""The base of every error of ours, and the error for what a person asked for and cannot have.

This module imports nothing, so that every room may import it.
"""

from __future__ import annotations


class Error(Exception):
    """Something that cannot be done, or has gone wrong; the message says why and what to do."""


class InputError(Error, ValueError):
    """Something asked for that cannot be done; the message says why and what to do instead."""
