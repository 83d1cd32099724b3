"""Results of a search's configurations on fresh seeds, beside those in the search.

The best of many is in part the luckiest. The drop on seeds that did not choose it, the winner's curse, is
reported: found, confirmed, and the change with its interval.
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
