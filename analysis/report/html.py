"""A report as one page: a single file with everything in it, which makes no request."""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.pictures.page import COLOURS_IN_THE_DARK, PageFigure, page_figure
from analysis.report.sections import Content
from analysis.text import visible

if TYPE_CHECKING:
    from markupsafe import Markup

_HERE = Path(__file__).parent


def page(content: Content) -> str:
    """Return a report as a page of HTML. All text in it is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = _coded
    figures = [page_figure(picture) for section in content.sections for picture in section.pictures]
    text: str = environment.get_template("page.html").render(
        content=content,
        drawings=figures,
        figures=Markup(_json(figures)),
        style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
        script=Markup((_HERE / "page.js").read_text(encoding="utf-8")),
        plotly=Markup(_packed_plotly()) if figures else "",
    )
    return text


def _shown(value: Any) -> Any:
    """Show a text letter by letter, also letters that turn the order of others around; what is set, stays."""
    return visible(value) if type(value) is str else value


def _coded(text: str) -> Markup:
    """Set what stands between backticks as code; everything is escaped."""
    from markupsafe import Markup

    parts = visible(text).split("`")
    if len(parts) % 2 == 0:
        return Markup("{}").format(visible(text))
    set_as = ("{}", "<code>{}</code>")
    return Markup("").join(Markup(set_as[index % 2]).format(part) for index, part in enumerate(parts))


def _json(figures: list[PageFigure]) -> str:
    values: dict[str, Any] = {
        "figures": [figure.plotly for figure in figures],
        "dark": COLOURS_IN_THE_DARK,
    }
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    # Within a script element only this character could end it, or begin a comment.
    return text.replace("<", "\\u003c")


@cache
def _packed_plotly() -> str:
    """Return plotly's JavaScript, packed: 2 MB in place of 4.8."""
    from plotly.offline import get_plotlyjs

    # Without the time, the same library gives the same bytes.
    packed = gzip.compress(get_plotlyjs().encode(), 9, mtime=0)
    return base64.b64encode(packed).decode()
