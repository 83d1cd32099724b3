"""Runs the examples of the public face in the current folder: ``python -m helpers.examples``.

The example of :func:`paretune.search` comes first, for the others look at what it left behind.
"""

from __future__ import annotations

import doctest
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import paretune


def documented() -> Iterator[tuple[str, Any]]:
    """Yield every public function and class that is defined in paretune, and what is public of a search.

    Models of other rooms are what a space file consists of; their docstrings are texts of its schema, and
    their examples are on the page of the API.
    """
    names = sorted(paretune.__all__, key=lambda name: name != "search")
    for name in names:
        found = getattr(paretune, name)
        if not getattr(found, "__module__", "").startswith("paretune."):
            continue
        yield name, found
    for base in reversed(paretune.Search.__mro__[:-1]):
        for attribute, value in vars(base).items():
            is_public = isinstance(value, FunctionType | property) or hasattr(value, "func")
            if is_public and not attribute.startswith("_"):
                yield f"Search.{attribute}", value


def main() -> int:
    """Run all examples; print those that fail, and how many there were."""
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    finder = doctest.DocTestFinder(recurse=False)
    for name, found in documented():
        for test in finder.find(found, name, module=ModuleType("none"), globs={}):
            runner.run(test)
    result = runner.summarize(verbose=False)
    print(f"{result.attempted} examples, {result.failed} failed")
    return result.failed


if __name__ == "__main__":
    sys.exit(bool(main()))
