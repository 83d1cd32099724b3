"""Checks of the text: before a search begins, and for ``paretune check``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from trainables.contract import Diagnosis
from trainables.gpt2.config import PYTHON, GPT2Config
from trainables.gpt2.locating import locate, require_text
from trainables.text.errors import DataError, MissingDataError
from trainables.text.gpt2 import missing_vocabulary
from trainables.text.python_text import is_built


def check_data(config: GPT2Config) -> None:
    """Check a configuration's data set, every token of it.

    Raises:
        DataError: it is missing, damaged, or does not fit the configuration.
    """
    data = locate(config.data)
    require_text(config, data)
    _check_tokens(config.data, config.vocabulary)


def missing_data(config: GPT2Config) -> str | None:
    """Check a configuration's data set as far as it is on this machine, without making anything.

    Returns:
        What is missing, and the command that makes it; None if nothing is, or if it is made automatically.

    Raises:
        DataError: it is damaged, or does not fit the configuration.
    """
    if config.data == PYTHON and not is_built():
        return None
    try:
        check_data(config)
    except MissingDataError as error:
        folder, here = Path(config.data), Path.cwd()
        shown = str(folder.relative_to(here) if folder.is_relative_to(here) else folder)
        command = error.command.replace(str(folder), shown)
        return f"data: {shown} is not on this machine; make it with `{command}`"
    return None


def diagnose() -> Sequence[Diagnosis]:
    """Return whether the default text can be built and whether GPT-2's tokenizer is available."""
    try:
        data = locate(PYTHON)
        text = Diagnosis(
            name="default text", state=f"{data.length('train'):,} training tokens, in {data.folder}"
        )
    except (DataError, OSError) as error:
        text = Diagnosis(name="default text", state="missing", advice=str(error))
    if not missing_vocabulary():
        return [text, Diagnosis(name="GPT-2 tokenizer", state="its vocabulary is here")]
    advice = "only needed for text in GPT-2's tokens; see `paretune data text --help`"
    return [text, Diagnosis(name="GPT-2 tokenizer", state="its vocabulary is not here", advice=advice)]


@lru_cache(maxsize=32)
def _check_tokens(data: str, vocabulary: int) -> None:
    locate(data).check(vocabulary)
