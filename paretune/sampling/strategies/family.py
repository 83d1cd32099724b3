"""The configurations of a space by size, and the family that is predicted to do best."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import islice

import numpy as np

from analysis.statistics.logistic import Array
from paretune.plan.binding import BoundPlan, canonical
from paretune.sampling.strategies.recipes import Terms
from search_spaces.deriving import sources_of
from search_spaces.plan import Values
from search_spaces.sampling import complete, draws, listing

MOST_SHAPES = 2000
"""Of a larger space so many shapes are drawn."""

_WORSE = 2.0
"""Log odds: what a few trials say of shapes is known to about so much."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A configuration of the family."""

    values: Values
    params: int

    @property
    def x(self) -> float:
        """The logarithm of its size."""
        return math.log(self.params)


class Shapes:
    """The shapes of a space, with the sizes that they make.

    Args:
        bound: the plan, with a space.
    """

    def __init__(self, bound: BoundPlan) -> None:
        self._bound = bound
        derived = [name for name in bound.task.size_fields if name in bound.plan.derived]
        sources = {*bound.task.size_fields, *sources_of(bound.plan.derived, derived)}
        sized = frozenset(sources & bound.plan.space.keys())
        self.terms = Terms(bound.plan, sized)
        found = listing(bound.plan, sized, MOST_SHAPES)
        rng = random.Random(bound.plan.search.seed)
        if found is None:
            found = list(islice(draws(bound.plan, rng), MOST_SHAPES))
        recipe = self.terms.best(self.terms.prior[0])
        by_shape: dict[str, tuple[int, Values]] = {}
        for values in found:
            shape = {name: values[name] for name in sized if name in values}
            whole = self._whole(shape, recipe)
            params = bound.trained_params(whole)
            if params is not None:
                by_shape.setdefault(canonical(shape), (params, shape))
        ordered = sorted(by_shape.values(), key=lambda each: each[0])
        self.shapes = [shape for _, shape in ordered]
        self.logs = np.log(np.array([params for params, _ in ordered], dtype=float))
        self.centre = float(self.logs.mean()) if len(ordered) else 0.0
        self._rows = np.array(
            [self.terms.row(shape, x - self.centre) for shape, x in zip(self.shapes, self.logs, strict=True)]
        ).reshape(len(self.shapes), self.terms.width)

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def is_one_family(self) -> bool:
        """Whether there is nothing to choose: no recipe, and one shape of each size."""
        return not self.terms.recipe and len(np.unique(self.logs)) == len(self.logs)

    def log_odds(self, coefficients: Array, recipe: Values) -> Array:
        """Return the log odds of success of every shape with a recipe, shape (shapes,)."""
        row = self.terms.row(recipe, 0.0)
        row[:2] = 0.0
        odds: Array = self._rows @ coefficients + float(row @ coefficients)
        return odds

    def member(self, index: int, recipe: Values) -> Member | None:
        """Return a shape with a recipe as a configuration; None if it may not be trained."""
        values = self._whole(self.shapes[index], recipe)
        params = self._bound.trained_params(values)
        return None if params is None else Member(values=values, params=params)

    def first_to_reach(self, odds: Array, level: float) -> int:
        """Return the smallest shape whose log odds reach a level, or else that with the highest."""
        reach = np.flatnonzero(odds >= level)
        return int(reach[0]) if len(reach) else int(odds.argmax())

    def family(self, coefficients: Array, factor: float) -> list[Member]:
        """Return the best shapes with the best recipe, in the order of their sizes.

        Of each bin of sizes the shape with the highest log odds, unless a smaller member's are higher by
        :data:`_WORSE`: some sizes have odd shapes only.

        Args:
            coefficients: of the terms.
            factor: between the ends of a bin.
        """
        recipe = self.terms.best(coefficients)
        odds = self.log_odds(coefficients, recipe)
        bins = np.floor(self.logs / math.log(factor) + 1e-9)
        best: list[int] = []
        for which in np.unique(bins):
            inside = np.flatnonzero(bins == which)
            best.append(int(inside[odds[inside].argmax()]))
        most = np.maximum.accumulate(np.concatenate([[-math.inf], odds[best]]))
        chosen = [index for index, before in zip(best, most, strict=False) if odds[index] > before - _WORSE]
        members = [self.member(index, recipe) for index in chosen]
        return [member for member in members if member is not None]

    def _whole(self, shape: Values, recipe: Values) -> Values:
        plan = self._bound.plan
        given = recipe | shape
        return complete(plan, lambda name, dimension: given[name])
