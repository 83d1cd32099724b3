"""The base of every error of ours, and the errors of what is asked for and cannot be had.

This module imports nothing, so that every room may import it.
"""

from __future__ import annotations


class Error(Exception):
    """Something that cannot be done, or has gone wrong; the message says why and what to do.

    >>> import paretune
    >>> try:
    ...     paretune.open("results/no-such-search")
    ... except paretune.Error as error:
    ...     print(type(error).__name__)
    InputError
    """


class InputError(Error, ValueError):
    """Something asked for that cannot be done; the message says why and what to do instead.

    >>> import paretune
    >>> issubclass(paretune.InputError, paretune.Error)
    True
    """


class RayLostError(Error, ConnectionError):
    """Ray was lost while a search ran, and could not be started again; the message says how to resume.

    >>> import paretune
    >>> issubclass(paretune.RayLostError, ConnectionError)
    True
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"Ray was lost: {what}")
        self.what = what
        """What was lost, as a clause."""


class ClusterError(Error, ConnectionError):
    """A Ray cluster that cannot be reached; the message says how to start one, or to do without.

    >>> import paretune
    >>> issubclass(paretune.ClusterError, ConnectionError)
    True
    """
