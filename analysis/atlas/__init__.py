"""The atlas: success against size of several searches, or of parts of them, in one figure."""

from analysis.atlas.finding import Atlas, atlas

__all__ = ["Atlas", "atlas"]
