"""``paretune data``: make data sets of text to train on, and look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.text import visible
from paretune.cli.exits import OK
from paretune.cli.options import AsJson
from trainables.text.errors import DataError, MissingDataError

if TYPE_CHECKING:
    from trainables.text.dataset import Dataset

_FOLDER = Path("data")


class TokenizerName(StrEnum):
    """What ``--tokenizer`` takes."""

    GPT2 = "gpt2"
    BYTES = "bytes"
    CHARS = "chars"


Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        metavar="FOLDER",
        help="Folder of the data set; its last part is the name.",
        show_default=False,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing data set.")]


def _root(context: typer.Context) -> None:
    """Make data sets of text to train on, and look at them.

    A data set is a folder: the text as tokens, in shards for training and for validation, and a file
    that describes them. Only `fineweb`, and `text --download-vocabulary`, use the network.

    \b
    Examples:
      paretune data python                                   # works on every machine, in seconds
      paretune data text shakespeare.txt --tokenizer chars   # your own text: data/shakespeare
      paretune data text stories.txt.xz --tokenizer gpt2 --download-vocabulary
      paretune data fineweb --shards 1                       # 100 million tokens of web pages
      paretune data show data/shakespeare --json             # check it, and say what it holds
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


data = typer.Typer(invoke_without_command=True, callback=_root)


@data.command()
def text(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Files of text.")],
    tokenizer: Annotated[TokenizerName, typer.Option("--tokenizer", help="How text becomes tokens.")],
    folder: Folder = None,
    val_share: Annotated[
        float, typer.Option("--val-share", metavar="SHARE", help="Share of the text for validation.")
    ] = 0.1,
    download_vocabulary: Annotated[
        bool,
        typer.Option(
            "--download-vocabulary", help="Download GPT-2's vocabulary if it is not on this machine."
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> int:
    """Make a data set from files of text.

    Files are UTF-8; .xz and .gz are decompressed. Documents are separated by <|endoftext|>, and by the ends
    of files. Whole documents go to validation, chosen by a hash of their text; if there is only one, its end
    does. All of it is held in memory meanwhile.

    \b
    Tokenizers:
      bytes   256 tokens, for any text
      chars   one token for each character that occurs; for small alphabets
      gpt2    GPT-2's 50,257 byte pairs; see --download-vocabulary

    \b
    Examples:
      paretune data text shakespeare.txt --tokenizer chars
      paretune data text books/*.txt --tokenizer bytes --folder data/books --val-share 0.05
      paretune data text stories.txt.xz --tokenizer gpt2 --download-vocabulary
    """
    from trainables.text.building import build_dataset, check_free
    from trainables.text.files import documents_in
    from trainables.text.tokenizers import make_tokenizer

    place = folder or _FOLDER / _stem(files[0])
    check_free(place, overwrite=overwrite)
    documents = list(documents_in(files))
    made = make_tokenizer(
        tokenizer.value, (document.text for document in documents), download=download_vocabulary
    )
    source = ", ".join(path.name for path in files[:5]) + (", ..." if len(files) > 5 else "")
    with _progress("Encoding") as progress:
        dataset = build_dataset(
            place, documents, made, source=source, val_share=val_share, overwrite=overwrite, progress=progress
        )
    _print_made(dataset, str(place))
    return OK


@data.command()
def python(folder: Folder = None, overwrite: Overwrite = False) -> int:
    """Make a data set from Python's own sources.

    Sources of its library and its help texts: some 12 MB of text in bytes, on every machine, without a
    network. Without --folder it is built in the cache, once, and is what space files call `data: python`.

    \b
    Examples:
      paretune data python
      paretune data python --folder data/python
    """
    from trainables.text.dataset import open_dataset
    from trainables.text.python_text import DEFAULT, build_python_dataset, python_dataset

    with _progress("Encoding") as progress:
        if folder is None:
            dataset, named = open_dataset(python_dataset(progress)), DEFAULT
        else:
            dataset = build_python_dataset(folder, overwrite=overwrite, progress=progress)
            named = str(folder)
    _print_made(dataset, named)
    return OK


@data.command()
def fineweb(
    shards: Annotated[
        int, typer.Option("--shards", min=1, max=103, metavar="N", help="Shards to train on, 200 MB each.")
    ],
    folder: Annotated[
        Path, typer.Option("--folder", metavar="FOLDER", help="Folder of the data set.")
    ] = _FOLDER / "fineweb",
) -> int:
    """Download web pages in GPT-2's tokens, from Hugging Face.

    They are the ones that the speedruns of GPT-2 use. A shard is 100 million tokens and 200 MB; one more is
    for validation. Says what it needs before it starts. After an interruption the same command resumes with
    the shard it was at. GPT-2's vocabulary (1.5 MB) is downloaded too if it is not on the machine.

    \b
    Examples:
      paretune data fineweb --shards 1
      paretune data fineweb --shards 10 --folder /big/disk/fineweb
    """
    from trainables.text.fineweb import download_fineweb

    _print_made(download_fineweb(folder, shards, say=typer.echo), str(folder))
    return OK


@data.command()
def show(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="A data set's folder, or `python`.")],
    as_json: AsJson = False,
) -> int:
    """Check a data set and say what it holds.

    Reads every token of all shards, and compares them with the data set's own counts and checksums.

    \b
    Examples:
      paretune data show data/shakespeare
      paretune data show python --json
    """
    from paretune.terminal.printing import print_json
    from trainables.text.dataset import DESCRIPTION_FILE
    from trainables.text.python_text import find_dataset

    try:
        dataset = find_dataset(folder)
    except MissingDataError as error:
        # Where `data text` puts a data set by itself, and what it calls it.
        usual = _FOLDER / folder
        if not (usual / DESCRIPTION_FILE).is_file():
            raise
        raise DataError(f"{folder}: there is no data set; did you mean {usual}?") from error
    dataset.verify()
    if as_json:
        print_json({"folder": str(dataset.folder), **dataset.description.model_dump(mode="json")})
        return OK
    _print_contents(dataset)
    typer.echo("Every token was checked: the data set is intact.")
    return OK


def _print_made(dataset: Dataset, named: str) -> None:
    _print_contents(dataset)
    typer.echo("For a space file:")
    typer.echo(f"  data: {named}\n  vocabulary: {dataset.vocabulary}")


def _print_contents(dataset: Dataset) -> None:
    from trainables.text.dataset import SPLITS

    described = dataset.description
    kind = described.tokenizer["kind"]
    said = f"{dataset.folder}: {described.source}; tokenizer {kind}, vocabulary {dataset.vocabulary:,}"
    typer.echo(visible(said))
    for split in SPLITS:
        held = dataset.contents(split)
        typer.echo(
            f"  {split:<5} {held.tokens:>14,} tokens  {held.bytes / held.tokens:.3f} bytes per token  "
            f"{_counted(held.documents, 'document')}, {_counted(len(held.files), 'shard')}"
        )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _stem(path: Path) -> str:
    """Return a file's name without ``.txt`` and what it was packed with."""
    return path.name.partition(".")[0] or path.name.strip(".")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Give a function that shows how much is done, on a terminal; elsewhere there is nothing to be told."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from paretune.terminal.printing import make_console

    console = make_console(to_stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
