"""What a search has found so far, in TensorBoard: the answer as a text, and its picture.

Written by a process beside TensorBoard, ``python -m paretune.record.findings_log FOLDER``, and not by the
search: a search must neither wait for its own answer nor fail over it. The process ends when its standard
input does, that is with whoever started it, however that ends.
"""

from __future__ import annotations

import io
import os
import select
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from analysis.files.layout import TENSORBOARD_FOLDER, TRIALS_FILE
from analysis.markdown import coded_text
from analysis.text import visible
from paretune.record.run_folder import RunFolder
from paretune.record.tensorboard_view import CARD, FINDINGS_RUN, FINDINGS_TEXT, PICTURE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.answer import Answer
    from analysis.pictures.marks import Picture

_INTERVAL = 30.0
"""Seconds between two looks at the rows."""

_MOST_SHARE = 0.1
"""Share of the time in which the answer may be computed: searches need the processors."""


class FindingsLog:
    """Writes the run ``findings`` of a search, anew whenever trials began or ended.

    Args:
        folder: the search's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = 0
        self._writer = EventFileWriter(str(folder / TENSORBOARD_FOLDER / FINDINGS_RUN))

    def refresh(self) -> bool:
        """Write what the rows say now, and tell whether there was something new.

        Raises:
            OSError, ValueError: rows cannot be read, or events cannot be written.
        """
        path = self._folder / TRIALS_FILE
        size = path.stat().st_size if path.exists() else 0
        if size == self._seen:
            return False
        # Pandas and Matplotlib take a second to import, and are not needed where nothing has happened yet.
        from analysis.answer import answer
        from analysis.rows import SearchRows

        rows = SearchRows(self._folder)
        found = answer(rows)
        ended = int(rows.trials["ending"].notna().sum())
        self._write(text_pb(FINDINGS_TEXT, markdown_of(found, RunFolder(self._folder).shown)), ended)
        picture = picture_of(found)
        if picture is not None:
            self._write(Summary(value=images_of(picture)), ended)
        self._writer.flush()
        self._seen = size
        return True

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()

    def _write(self, content: Summary, step: int) -> None:
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=content))


def markdown_of(found: Answer, shown: str) -> str:
    """Return an answer as Markdown, its first sentence in bold, with what it rests on.

    Args:
        found: the answer.
        shown: what to type for its search.
    """
    first, *others = [coded_text(sentence) for sentence in found.sentences]
    command = f"`paretune answer {shown}` says the same on a terminal."
    return "\n\n".join(
        [
            f"### {coded_text(found.name)}",
            f"**{first}**",
            *(f"- {sentence}" for sentence in others),
            *([coded_text(found.tried)] if found.tried not in found.sentences else []),
            command,
        ]
    )


def picture_of(found: Answer) -> Picture | None:
    """Return the picture of the success rate; where no finding has it, that of the frontier, or any other."""
    pictures = {finding.kind: finding.pictures[0] for finding in found.findings if finding.pictures}
    for kind in ("cliff", "frontier", *pictures):
        if kind in pictures:
            return pictures[kind]
    return None


def images_of(picture: Picture) -> list[Summary.Value]:
    """Return a picture with its caption, and once more in the size of a card."""
    from analysis.pictures.painting import figure_of

    return [_image(PICTURE, figure_of([picture]), 100), _image(CARD, _small(picture), 72)]


def main() -> None:
    """Refresh the findings of a search until standard input ends."""
    (folder,) = sys.argv[1:]
    os.nice(10)
    log = FindingsLog(Path(folder))
    said = ""
    while True:
        began = time.monotonic()
        try:
            log.refresh()
        except Exception as error:  # the curves are there without them, and the next rows may be better
            if str(error) != said:
                said = str(error)
                print(f"The findings cannot be shown yet: {visible(said)}", file=sys.stderr, flush=True)
        took = time.monotonic() - began
        if select.select([sys.stdin], [], [], max(_INTERVAL, took / _MOST_SHARE))[0]:
            break
    log.close()


def _image(tag: str, figure: Figure, dots_per_inch: int) -> Summary.Value:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dots_per_inch)
    width, height = (round(inches * dots_per_inch) for inches in figure.get_size_inches())
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=content.getvalue())
    return Summary.Value(tag=tag, image=image)


def _small(picture: Picture) -> Figure:
    """Return a picture of the size of a card, without its caption.

    TensorBoard shrinks larger ones by leaving out pixels, and letters with them.
    """
    from matplotlib.figure import Figure

    from analysis.pictures.painting import paint

    figure = Figure(figsize=(4.32, 3.0), layout="constrained")
    paint(figure.subplots(), picture)
    return figure


if __name__ == "__main__":
    main()
