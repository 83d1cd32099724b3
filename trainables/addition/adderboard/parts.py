"""Building blocks of a model's code: the lines of a module, and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Part:
    """The code of one module of the file, and of which trained weights its parameters are."""

    init: list[str] = field(default_factory=list)
    """Lines of ``__init__``."""
    forward: list[str] = field(default_factory=list)
    """Lines of ``forward``."""
    weights: dict[str, str] = field(default_factory=dict)
    """Names of the parameters in the file, and of the same tensors in the trained model's state."""

    def parameter(self, name: str, *shape: int, source: str) -> None:
        """Add a parameter under its name."""
        self.init.append(f"self.{name} = parameter({', '.join(map(str, shape))})")
        self.weights[name] = source

    def matrix(self, matrix: Matrix) -> None:
        """Add the parameters of a matrix."""
        if matrix.rank is None:
            shape = (matrix.rows, matrix.columns) if matrix.entries is None else (matrix.entries,)
            self.parameter(matrix.name, *shape, source=matrix.source)
            return
        self.parameter(f"{matrix.name}_left", matrix.rows, matrix.rank, source=matrix.source)
        if matrix.right_name not in self.weights:
            self.parameter(matrix.right_name, matrix.rank, matrix.columns, source=matrix.right_source)

    def module(self, name: str, call: str, weights: Mapping[str, str], *, source: str) -> None:
        """Add a module inside this one, made by ``call``, whose weights lie under ``source``."""
        self.init.append(f"self.{name} = {call}")
        for inner, trained in weights.items():
            self.weights[f"{name}.{inner}"] = f"{source}.{trained}"


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A matrix as stored in the file: full, or as the product of two factors, left and right."""

    name: str
    rows: int
    columns: int
    rank: int | None
    source: str
    """The trained tensor: the matrix, or its left factor."""
    right_source: str
    shared_right: str | None = None
    """The right factor's name, if several matrices share it."""
    entries: int | None = None
    """How many entries a triangular matrix stores."""

    @property
    def right_name(self) -> str:
        """The right factor's name."""
        return self.shared_right or f"{self.name}_right"

    @property
    def value(self) -> str:
        """The expression of the matrix, shape (rows, columns)."""
        if self.rank is None:
            stored = f"self.{self.name}"
            return stored if self.entries is None else f"triangular({stored})"
        return f"self.{self.name}_left @ self.{self.right_name}"

    @property
    def transposed(self) -> str:
        """The expression of the transposed matrix."""
        return f"{self.value}.T" if self.rank is None else f"({self.value}).T"


def module_code(name: str, part: Part, *, about: str, forward: str, returns: str, methods: list[str]) -> str:
    """Return the code of a module: its class, ``__init__``, further methods, and ``forward``.

    Args:
        name: the class.
        part: its lines.
        about: its docstring.
        forward: the arguments of ``forward`` after self.
        returns: the docstring of ``forward``.
        methods: lines of further methods, as they stand in a class.
    """
    lines = [
        f"class {name}(nn.Module):",
        f'    """{about}"""',
        "",
        "    def __init__(self):",
        "        super().__init__()",
        *(f"        {line}" for line in part.init),
        "",
        *([*(f"    {line}".rstrip() for line in methods), ""] if methods else []),
        f"    def forward(self, {forward}):",
        f'        """{returns}"""',
        *(f"        {line}" for line in part.forward),
    ]
    return "\n".join(lines)
