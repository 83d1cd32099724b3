"""FineWeb in GPT-2 tokens, as the speedruns of GPT-2 use it: shards that others made.

10 billion tokens of web pages on the Hugging Face hub: one shard for validation and 103 for training. A shard
is fetched whole or not at all, so a download that was interrupted goes on with the shard that it was at.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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
"""Training shards that there are; the last may be shorter than the others."""

SHARD_TOKENS = 100_000_000

_VALIDATION = "fineweb_val_000000.bin"
_BOOKKEEPING = ".cache"
"""Where the hub's client keeps half a file and its notes."""


def download_fineweb(
    folder: Path,
    shards: int,
    *,
    say: Callable[[str], None],
    shard_tokens: int = SHARD_TOKENS,
    endpoint: str | None = None,
) -> Dataset:
    """Fetch the validation shard and the first ``shards`` training shards, and return the data set.

    Shards that are there and whole are not fetched again.

    Args:
        folder: where they shall be.
        shards: training shards, 1 to ``MOST_SHARDS``.
        say: is told in lines what happens.
        shard_tokens: tokens that a shard is expected to have.
        endpoint: address of a hub; that of Hugging Face, or ``$HF_ENDPOINT``, by default.

    Raises:
        DataError: there is no connection, not enough room on the disk, or what was fetched is not right.
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
    """Refuse to mix shards with something else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DataError(f"{folder}: is a file; choose another folder with --folder")
    names = {path.name for path in folder.iterdir()}
    if names - {_BOOKKEEPING} and not any(name.startswith("fineweb_") for name in names):
        what = "another data set" if DESCRIPTION_FILE in names else "other files"
        raise DataError(f"{folder}: holds {what}; choose another folder with --folder")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, which ends with this process; before and after, keep no half of a file.

    The hub's client cannot go on with the half of a file that another process left.
    """
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(
                f"{folder}: another process is fetching into it; wait until it is done"
            ) from error
        shutil.rmtree(folder / _BOOKKEEPING, ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(folder / _BOOKKEEPING, ignore_errors=True)
            with suppress(OSError):
                folder.rmdir()  # if nothing came of it
    finally:
        os.close(lock)


def _is_whole(path: Path, shard_tokens: int, say: Callable[[str], None]) -> bool:
    """Tell whether a shard is there; one that is not whole is said and will be fetched again."""
    if not path.exists():
        return False
    try:
        _check_length(path, shard_tokens)
    except DataError as error:
        say(f"{error}. It is fetched again.")
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
    """Fetch one file; a connection that breaks off is taken up again where it broke."""
    import httpx2
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    again = "the shards that are there are kept, so run the same command again"
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
            f"what was fetched is not right and was removed: {error}; run the same command again"
        ) from error
