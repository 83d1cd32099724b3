"""What a checkpoint file holds, looked at before torch takes any memory for it.

``torch.save`` writes a zip archive: ``data.pkl``, a pickle of plain values and of tensors by reference, and a
record for the numbers of each tensor. torch's loader executes nothing, but believes what a file states: sizes
of entries, elements of tensors, numbers of values. Here all of that is compared with what is there.
"""

from __future__ import annotations

import re
import zipfile
from typing import Any, BinaryIO

import psutil

from trainables.checkpoints.stated import MAX_PICKLE_BYTES, RefusedError, read_values

MAX_ENTRIES = 20_000
"""Most entries of an archive: each tensor is one."""

MAX_DIRECTORY_BYTES = 4_000_000
"""Most bytes of an archive's directory, which is read at once."""

_END, _FIELDS = 22, ((10, 12), (12, 16), (16, 20))
"""Bytes of the record that ends an archive; where it states entries, the directory's size and its place."""

_END_64, _FIELDS_64 = 76, ((32, 40), (40, 48), (48, 56))
"""The same for the two records of large archives that come before it."""

_RECORD = re.compile(r"[^/\0]{1,200}/(?:[.\w]+|data/\d{1,9}|\.data/serialization_id)")


def inspect(file: BinaryIO) -> Any:
    """Return what a checkpoint file states, with a stand-in for each tensor; nothing is executed.

    Args:
        file: an open file; it is read from its beginning, whatever its position.

    Raises:
        RefusedError: the file is not of torch's zip format; or states more than it holds, more than fits
            into the free memory, or what no checkpoint holds.
        OSError: it cannot be read.
    """
    size = file.seek(0, 2)
    free = psutil.virtual_memory().available
    if size > free:
        raise RefusedError(f"it has {size:,} bytes, but {free:,} bytes of memory are free")
    _check_ending(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            records = _records(archive, size)
            # torch reads without: a byte that a disk has changed would be another weight.
            if (wrong := archive.testzip()) is not None:
                raise RefusedError(f"its entry {wrong!r} is not what was written: its checksum differs")
            read = archive.read(records.pop(""))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError) as error:
        if isinstance(error, RefusedError):
            raise
        raise RefusedError(f"its zip archive is damaged ({error})") from error
    sizes = {name: entry.file_size for name, entry in records.items()}
    return read_values(read, sizes)


def _check_ending(file: BinaryIO, size: int) -> None:
    """Check the record at the archive's end, before its directory is read."""
    file.seek(0)
    if file.read(4) != b"PK\x03\x04":
        raise RefusedError("it is not in the zip format in which torch saves")
    file.seek(max(0, size - _END))
    end = file.read(_END)
    # With a comment, or another such record before the end, two programs could read two different archives.
    if end[:4] != b"PK\x05\x06" or end[-2:] != b"\0\0" or len(end) < _END:
        raise RefusedError("its zip archive is cut short, or followed by something else")
    entries, length, begin = (int.from_bytes(end[low:high], "little") for low, high in _FIELDS)
    stops = size - _END
    file.seek(max(0, stops - _END_64))
    large = file.read(_END_64)
    if large[-20:-16] == b"PK\x06\x07":  # of archives of any size, torch writes both
        entries, length, begin = (int.from_bytes(large[low:high], "little") for low, high in _FIELDS_64)
        stops -= _END_64
    if entries > MAX_ENTRIES or length > MAX_DIRECTORY_BYTES:
        raise RefusedError(f"its zip archive has more than {MAX_ENTRIES:,} entries")
    if begin + length != stops:
        raise RefusedError("its zip archive has something between its directory and its end")


def _records(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the entries with numbers by their keys, and that with the values as ""."""
    entries = archive.infolist()
    if not 0 < len(entries) <= MAX_ENTRIES:
        raise RefusedError(f"its zip archive has {len(entries):,} entries, not 1 to {MAX_ENTRIES:,}")
    names = [entry.filename for entry in entries]
    if len({name.casefold() for name in names}) < len(names):
        raise RefusedError("its zip archive has two entries of one name")
    root = names[0].partition("/")[0]
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        folder, _, name = entry.filename.partition("/")
        if folder != root or not _RECORD.fullmatch(entry.filename) or entry.orig_filename != entry.filename:
            raise RefusedError(f"its zip archive has an entry {entry.filename[:60]!r}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise RefusedError(f"its entry {name!r} is compressed, which torch does not do")
        if entry.flag_bits & 0x1:
            raise RefusedError(f"its entry {name!r} is encrypted")
        if name == "data.pkl":
            found[""] = entry
        elif name.startswith("data/"):
            found[name.removeprefix("data/")] = entry
    if sum(entry.file_size for entry in entries) > size:
        raise RefusedError("its entries state more bytes than the file has")
    if "" not in found:
        raise RefusedError("its zip archive has no data.pkl")
    if found[""].file_size > MAX_PICKLE_BYTES:
        raise RefusedError(f"the values beside its tensors have more than {MAX_PICKLE_BYTES:,} bytes")
    return found
