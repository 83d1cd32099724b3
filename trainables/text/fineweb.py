"""FineWeb in GPT-2 tokens, in the published shards that the GPT-2 speedruns use.

10 billion tokens of web pages on the Hugging Face hub: one shard for validation and 103 for training.
Complete shards are kept, so an interrupted download resumes with the shard that it had reached.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from trainables.text.dataset import (
    DESCRIPTION_FILE,
    Dataset,
    Description,
    count_contents,
    open_dataset,
    write_description,
)
from trainables.text.errors import DataError
from trainables.text.gpt2 import DOWNLOAD_SIZE, Gpt2Tokenizer, missing_vocabulary
from trainables.text.shards import HEADER_BYTES, check_tokens, open_shard

REPOSITORY = "kjj0/fineweb10B-gpt2"
MOST_SHARDS = 103
"""Number of training shards; the last can be shorter than the others."""

SHARD_TOKENS = 100_000_000

_VALIDATION = "fineweb_val_000000.bin"
_LOCK = ".lock"
_BOOKKEEPING = ".cache"
"""Folder of the hub's client for partial files."""


def download_fineweb(
    folder: Path,
    shards: int,
    *,
    say: Callable[[str], None],
    shard_tokens: int = SHARD_TOKENS,
    endpoint: str | None = None,
) -> Dataset:
    """Fetch the validation shard and the first ``shards`` training shards, and return the data set.

    Complete shards are not downloaded again.

    Args:
        folder: their folder.
        shards: training shards, 1 to ``MOST_SHARDS``.
        say: called with lines about the progress.
        shard_tokens: expected tokens of a shard.
        endpoint: address of a hub; that of Hugging Face, or ``$HF_ENDPOINT``, by default.

    Raises:
        DataError: there is no connection, not enough disk space, or the downloaded file is invalid.
    """
    if not 1 <= shards <= MOST_SHARDS:
        raise DataError(f"there are 1 to {MOST_SHARDS} training shards, but {shards} were asked for")
    train = tuple(f"fineweb_train_{number:06d}.bin" for number in range(1, shards + 1))
    _check_ours(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        missing = [name for name in (_VALIDATION, *train) if not _is_whole(folder / name, shard_tokens, say)]
        _check_room(folder, len(missing), shard_tokens, say)
        if missing_vocabulary():
            say(f"Fetching GPT-2's vocabulary ({DOWNLOAD_SIZE}), which tells the bytes of each token.")
        tokenizer = Gpt2Tokenizer(download=True)
        for number, name in enumerate(missing, start=1):
            say(f"Fetching {name} ({number} of {len(missing)})")
            _fetch(folder, name, endpoint)
            _check_fetched(folder / name, shard_tokens, tokenizer.vocabulary)
        say(f"Counting the tokens of {1 + len(train)} shards")
        lengths, mark = tokenizer.token_bytes(), tokenizer.document_start
        description = Description(
            name=folder.resolve().name,
            source=f"{REPOSITORY} on the Hugging Face hub, {len(train)} of {MOST_SHARDS} training shards",
            tokenizer=tokenizer.as_json(),
            vocabulary=tokenizer.vocabulary,
            document_start=mark,
            train=count_contents(folder, train, lengths, mark),
            val=count_contents(folder, (_VALIDATION,), lengths, mark),
        )
        write_description(folder, description, lengths)
    return open_dataset(folder)


def _check_ours(folder: Path) -> None:
    """Refuse to mix shards with other files."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DataError(f"{folder}: is a file; choose another folder with --folder")
    names = {path.name for path in folder.iterdir()}
    if names - {_BOOKKEEPING, _LOCK} and not any(name.startswith("fineweb_") for name in names):
        what = "another data set" if DESCRIPTION_FILE in names else "other files"
        raise DataError(f"{folder}: holds {what}; choose another folder with --folder")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, which ends with this process; remove partial files before and after.

    The hub's client cannot resume a partial file of another process.
    """
    lock = FileLock(folder / _LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise DataError(f"{folder}: another process is downloading into it; wait until it is done") from error
    try:
        shutil.rmtree(folder / _BOOKKEEPING, ignore_errors=True)
        yield
    finally:
        shutil.rmtree(folder / _BOOKKEEPING, ignore_errors=True)
        (folder / _LOCK).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()  # if nothing came of it
        lock.release()


def _is_whole(path: Path, shard_tokens: int, say: Callable[[str], None]) -> bool:
    """Return whether a valid shard exists; an invalid one is reported and will be downloaded again."""
    if not path.exists():
        return False
    try:
        _check_length(path, shard_tokens)
    except DataError as error:
        say(f"{error}. It is downloaded again.")
        path.unlink()
        return False
    return True


def _check_length(path: Path, shard_tokens: int) -> None:
    count = len(open_shard(path))
    may_be_short = path.name == f"fineweb_train_{MOST_SHARDS:06d}.bin"
    if count != shard_tokens and not (may_be_short and 0 < count < shard_tokens):
        raise DataError(f"{path}: byte 8: {count:,} tokens, expected {shard_tokens:,}")


def _check_room(folder: Path, files: int, shard_tokens: int, say: Callable[[str], None]) -> None:
    needed = files * (HEADER_BYTES + 2 * shard_tokens)
    free = shutil.disk_usage(folder).free
    say(f"To fetch: {files} shards, {needed / 1e9:.1f} GB; free in {folder}: {free / 1e9:.1f} GB.")
    if needed > free:
        raise DataError(
            f"{folder}: {files} shards need {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free; ask for "
            "fewer with --shards, or choose a folder on another disk with --folder"
        )


def _fetch(folder: Path, name: str, endpoint: str | None) -> None:
    """Download one file; an interrupted connection resumes where it stopped."""
    import httpx2
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    again = "complete shards are kept, so run the same command again"
    try:
        hf_hub_download(REPOSITORY, name, repo_type="dataset", local_dir=folder, endpoint=endpoint)
    except (LocalEntryNotFoundError, httpx2.TransportError) as error:
        if isinstance(error.__cause__, HfHubHTTPError):
            raise DataError(
                f"{name} could not be fetched: the hub says {error.__cause__}; {again} later"
            ) from error
        raise DataError(
            f"{name} could not be fetched: there is no connection to the Hugging Face hub (or "
            f"HF_HUB_OFFLINE is set); {again} when there is one"
        ) from error
    except EntryNotFoundError as error:
        raise DataError(f"{name} is not in {REPOSITORY} any more: {error}") from error
    except HfHubHTTPError as error:
        raise DataError(f"{name} could not be fetched: the hub says {error}; {again} later") from error
    except OSError as error:
        if error.errno is not None:
            raise  # the disk's, not the network's
        raise DataError(f"{name} could not be fetched: {error}; {again}") from error


def _check_fetched(path: Path, shard_tokens: int, vocabulary: int) -> None:
    try:
        _check_length(path, shard_tokens)
        check_tokens(open_shard(path), vocabulary)
    except DataError as error:
        path.unlink()
        raise DataError(
            f"the downloaded file was invalid and has been removed: {error}; run the same command again"
        ) from error
