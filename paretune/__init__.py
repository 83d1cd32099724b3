"""The composition root: command line, Tune driver, samplers, early stopping, retraining.

Nothing but tests and benchmarks imports this room, and only this room imports Ray. From Python, begin with
:func:`open`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paretune.searches import Search, open

__all__ = ["Search", "__version__", "open"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the command line starts in a moment, and needs neither for its help.
    if name in ("Search", "open"):
        from paretune import searches

        return getattr(searches, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
