"""What configurations that were found in a search do on fresh seeds."""

from __future__ import annotations

from analysis.confirmed import confirmations, confirmed_rates, examined_tables

__all__ = ["confirmations", "confirmed_rates", "examined_tables"]
