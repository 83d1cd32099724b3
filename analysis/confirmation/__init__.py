"""What configurations that were found in a search do on fresh seeds, beside what they did in the search.

The best of many is in part the luckiest. What it loses on seeds that did not choose it is the winner's curse,
and is shown: found, confirmed, and the change with its interval.
"""

from analysis.confirmation.finding import Confirmation, confirmation
from analysis.confirmation.points import Confirmed, HeldOut
from analysis.confirmation.rows import before_confirmation, confirmations, confirmed_rates, evaluated_tables

__all__ = [
    "Confirmation",
    "Confirmed",
    "HeldOut",
    "before_confirmation",
    "confirmation",
    "confirmations",
    "confirmed_rates",
    "evaluated_tables",
]
