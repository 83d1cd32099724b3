"""Tables as files: CSV, JSON, Parquet and Markdown, each with the units of its columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.files.layout import Column, ExportError
from analysis.markdown import table_lines
from analysis.text import is_numeric


def export(table: pd.DataFrame, columns: Sequence[Column], path: Path) -> list[Path]:
    """Write a table in the format that the file's ending names, and return the files written.

    CSV has a side file ``<name>.columns.json`` with units and meanings; JSON holds them beside
    the rows, Parquet in the metadata of its fields, Markdown in the header.

    Raises:
        ExportError: the ending is none of these, or the file cannot be written.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise ExportError(f"{path} must end in one of {', '.join(sorted(_WRITERS))}, for the format")
    described = [column for column in columns if column.name in table.columns]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return writer(table, described, path)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror or error}") from error


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as plain values; what is missing is None."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return rows


def markdown(table: pd.DataFrame, columns: Sequence[Column]) -> str:
    """Return a table in Markdown, units in the header; missing values stay empty."""
    units = {column.name: column.unit for column in columns}
    header = [f"{name} ({units[name]})" if units.get(name) else str(name) for name in table.columns]
    cells = [[_cell(value) for value in row.values()] for row in records(table)]
    to_right = [is_numeric([row[index] for row in cells]) for index in range(len(header))]
    return "\n".join(table_lines(header, cells, to_right)) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)


def _describe(columns: Sequence[Column]) -> list[dict[str, str]]:
    return [{"name": c.name, "unit": c.unit, "meaning": c.meaning} for c in columns]


def _write_csv(table: pd.DataFrame, columns: Sequence[Column], path: Path) -> list[Path]:
    side = path.with_name(path.name + ".columns.json")
    table.to_csv(path, index=False)
    side.write_text(json.dumps(_describe(columns), indent=2) + "\n")
    return [path, side]


def _write_json(table: pd.DataFrame, columns: Sequence[Column], path: Path) -> list[Path]:
    content = {"columns": _describe(columns), "rows": records(table)}
    path.write_text(json.dumps(content, indent=2) + "\n")
    return [path]


def _write_parquet(table: pd.DataFrame, columns: Sequence[Column], path: Path) -> list[Path]:
    # Tables are written as Parquet seldom, and its import takes time.
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    described = {column.name: column for column in columns}
    fields = []
    for arrow_field in arrow.schema:
        column = described.get(arrow_field.name)
        fields.append(
            arrow_field
            if column is None
            else arrow_field.with_metadata({"unit": column.unit, "meaning": column.meaning})
        )
    schema = pa.schema(fields, metadata=arrow.schema.metadata)
    pq.write_table(arrow.cast(schema), path)
    return [path]


def _write_markdown(table: pd.DataFrame, columns: Sequence[Column], path: Path) -> list[Path]:
    path.write_text(markdown(table, columns))
    return [path]


_WRITERS: dict[str, Callable[[pd.DataFrame, Sequence[Column], Path], list[Path]]] = {
    ".csv": _write_csv,
    ".json": _write_json,
    ".parquet": _write_parquet,
    ".md": _write_markdown,
}
