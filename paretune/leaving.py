"""How this process ends."""

from __future__ import annotations

at_once = False
"""Whether it has to end without what Python does at its end, where a part of Ray would wait for ever."""
