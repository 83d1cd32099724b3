"""The values of a checkpoint file as its pickle states them: nothing is built, and nothing called.

A pickle is a list of instructions to a machine with a stack. torch's loader permits few of them, but believes
the sizes that they state, and does as often as it is told. Here the same instructions are followed with
stand-ins for tensors, each compared with the record that its numbers are to come from.
"""

from __future__ import annotations

import math
import pickle
import pickletools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from paretune.errors import Error

MAX_PICKLE_BYTES = 16_000_000
"""Most bytes of the values beside the tensors."""

MAX_INSTRUCTIONS = 500_000
"""Most instructions of a pickle: a key and its value are two to ten. Those of 1,000 tensors are 40,000."""

MAX_VALUES = 500_000
"""Most values, each counted as often as it is referred to."""

MAX_DEPTH = 64
"""Deepest nesting of values."""

MAX_SHARED = 4
"""How many times as many bytes tensors may have as are in the file: tied weights are one tensor twice."""

_MAX_DIMENSIONS = 32
_SET_ENTRY = 32
"""Bytes that an element of a set counts for, at least."""

_STORED_BYTES = {
    **dict.fromkeys(("DoubleStorage", "LongStorage", "ComplexFloatStorage"), 8),
    **dict.fromkeys(("FloatStorage", "IntStorage"), 4),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    **dict.fromkeys(("CharStorage", "ByteStorage", "BoolStorage"), 1),
    "ComplexDoubleStorage": 16,
}
"""Bytes of an element by the name of its kind of storage."""

_TYPE_BYTES = {
    **dict.fromkeys(("float64", "int64", "uint64", "complex64", "double", "long"), 8),
    **dict.fromkeys(("float32", "int32", "uint32", "float", "int"), 4),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16", "half", "short"), 2),
    **dict.fromkeys(("int8", "uint8", "bool", "float8_e4m3fn", "float8_e5m2"), 1),
    "complex128": 16,
}
"""Bytes of an element by the name of its type."""

_PLACE = re.compile(r"cpu|cuda(:\d{1,3})?|mps(:\d{1,3})?")


class RefusedError(Error, ValueError):
    """A file that is not loaded; the message says what in it is not accepted, without naming the file."""


@dataclass(frozen=True)
class Name:
    """Something of a module that a pickle names."""

    module: str
    attribute: str


@dataclass(frozen=True)
class Storage:
    """A record of the archive that holds numbers: its elements, and the bytes of each."""

    elements: int
    element_bytes: int


@dataclass(frozen=True)
class StatedTensor:
    """A tensor as the file states it; its numbers are not read."""

    elements: int
    element_bytes: int


class Mapped(dict[Any, Any]):
    """An ordered mapping, with the attributes that were given to it."""

    attributes: object = None


def read_values(pickled: bytes, sizes: Mapping[str, int]) -> Any:
    """Return the values, with :class:`StatedTensor` for each tensor.

    Args:
        pickled: the pickle.
        sizes: bytes of each record of numbers, by its key.

    Raises:
        RefusedError: they are not what a checkpoint holds, are too many, or state more than there is.
    """
    content = _Reader(sizes).read(pickled)
    _check_values(content, sum(sizes.values()))
    return content


class _Reader:
    """Follows the instructions of a pickle: names stay names, and calls become what they stand for.

    Only what ``torch.save`` writes of plain values and tensors is known; all else is refused.

    Args:
        sizes: bytes of each record of numbers.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._sizes = sizes
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._made = 0
        self._calls: dict[Name, Callable[..., Any]] = {
            Name("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            Name("torch._utils", "_rebuild_tensor_v3"): self._tensor_of_type,
            Name("torch._utils", "_rebuild_parameter"): _parameter,
            Name("collections", "OrderedDict"): lambda: Mapped(),
            Name("torch", "Size"): self._size,
            Name("torch", "device"): lambda kind, index=0: None,
            Name("_codecs", "encode"): self._encoded,
            Name("__builtin__", "set"): self._set_of,
        }

    def read(self, pickled: bytes) -> Any:
        """Return the values.

        Raises:
            RefusedError: they are not what a checkpoint holds.
        """
        try:
            for count, (code, argument, _) in enumerate(pickletools.genops(pickled)):
                if count >= MAX_INSTRUCTIONS:
                    raise RefusedError(f"it holds more than some {MAX_INSTRUCTIONS // 5:,} keys and values")
                if code.name == "STOP":
                    return self._pop()
                self._do(code.name, argument)
        except RefusedError:
            raise
        except (ValueError, TypeError, IndexError, KeyError, AttributeError, pickle.UnpicklingError) as error:
            raise RefusedError(f"its values are damaged ({error})") from error
        raise RefusedError("its values are cut short")

    def _do(self, name: str, argument: Any) -> None:
        if name in _PUSHES:
            self._stack.append(argument)
        elif name in _MAKES:
            self._stack.append(_MAKES[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name == "MARK":
            self._marks.append(len(self._stack))
        elif name in _LENGTHS:
            self._stack.append(tuple(self._take(_LENGTHS[name])))
        elif name == "TUPLE":
            self._stack.append(tuple(self._since_mark()))
        elif name in ("APPEND", "APPENDS"):
            values = self._take(1) if name == "APPEND" else self._since_mark()
            self._list().extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = self._take(2) if name == "SETITEM" else self._since_mark()
            self._set(values)
        elif name == "GLOBAL":
            self._stack.append(self._named(argument))
        elif name == "BINPERSID":
            self._stack.append(self._storage(self._pop()))
        elif name == "REDUCE":
            self._call()
        elif name == "BUILD":
            self._give_attributes()
        elif name != "PROTO" or argument != 2:
            raise RefusedError(f"its values use {name} {argument!r:.20}, which torch does not write")

    def _pop(self) -> Any:
        return self._take(1)[0]

    def _take(self, count: int) -> list[Any]:
        if len(self._stack) - count < (self._marks[-1] if self._marks else 0):
            raise RefusedError("its values are damaged")
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _since_mark(self) -> list[Any]:
        begin = self._marks.pop()
        taken = self._stack[begin:]
        del self._stack[begin:]
        return taken

    def _list(self) -> list[Any]:
        if type(found := self._stack[-1]) is not list:
            raise RefusedError("its values are damaged")
        return found

    def _set(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(values) % 2:
            raise RefusedError("its values are damaged")
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_key(key)] = value

    def _make(self, size: int) -> None:
        """Count what a call makes: one value that is referred to often can be made into much."""
        self._made += size
        if self._made > MAX_PICKLE_BYTES:
            raise RefusedError(f"the values beside its tensors have more than {MAX_PICKLE_BYTES:,} bytes")

    def _size(self, lengths: Any) -> tuple[Any, ...]:
        self._make(len(lengths))
        return tuple(lengths)

    def _set_of(self, values: Any) -> list[Any]:
        self._make(_SET_ENTRY * len(values))
        return [_key(value) for value in values]

    def _encoded(self, text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise RefusedError("it has text in an encoding that torch does not use")
        self._make(len(text))
        return text.encode(encoding)

    def _named(self, argument: str) -> Name:
        named = Name(*argument.split(" ", 1))
        is_type = named.module == "torch" and named.attribute in {*_STORED_BYTES, *_TYPE_BYTES}
        if not is_type and named not in self._calls and named != _UNTYPED:
            raise RefusedError(f"it asks for {named.module}.{named.attribute}, which no checkpoint needs")
        return named

    def _call(self) -> None:
        function, arguments = self._take(2)
        if not isinstance(function, Name) or function not in self._calls or type(arguments) is not tuple:
            raise RefusedError("it asks for a call that no checkpoint needs")
        self._stack.append(self._calls[function](*arguments))

    def _give_attributes(self) -> None:
        (attributes,) = self._take(1)
        target = self._stack[-1]
        if not isinstance(target, Mapped) or not isinstance(attributes, dict):
            raise RefusedError("it gives attributes to what has none")
        target.attributes = attributes

    def _storage(self, reference: Any) -> Storage:
        kind, storage, key, place, elements = reference
        known = storage.attribute in _STORED_BYTES or storage == _UNTYPED
        if kind != "storage" or not known or not _PLACE.fullmatch(place) or not _is_count(elements):
            raise RefusedError("it refers to something other than its own records")
        each = _STORED_BYTES.get(storage.attribute, 1)
        if key not in self._sizes:
            raise RefusedError(f"its record {key[:20]!r} is missing")
        if elements * each != self._sizes[key]:
            raise RefusedError(
                f"a tensor of it states {elements:,} elements of {each} bytes, but its record has "
                f"{self._sizes[key]:,} bytes"
            )
        return Storage(elements, each)

    def _tensor(self, *stated: Any) -> StatedTensor:
        return _checked_tensor(stated[0].element_bytes, *stated)

    def _tensor_of_type(self, *stated: Any) -> StatedTensor:
        return _checked_tensor(_TYPE_BYTES[stated[6].attribute], *stated[:6], *stated[7:])


_UNTYPED = Name("torch.storage", "UntypedStorage")
_PUSHES = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"}
_MAKES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_LENGTHS = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _checked_tensor(
    each: int, storage: Any, offset: Any, size: Any, stride: Any, _gradient: Any, hooks: Any, *more: Any
) -> StatedTensor:
    """Return a tensor of elements of ``each`` bytes, all of which lie in its storage."""
    numbers = (offset, *size, *stride)
    is_plain = isinstance(storage, Storage) and not hooks and not any(more)
    if not is_plain or not len(size) == len(stride) <= _MAX_DIMENSIONS:
        raise RefusedError("a tensor of it is more than its numbers")
    if not all(map(_is_count, numbers)):
        raise RefusedError("a tensor of it has a size that is no number")
    there = storage.elements * storage.element_bytes // each
    count = math.prod(size)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if count > there or (count and last >= there) or (not count and offset > there):
        raise RefusedError(f"a tensor of it states {count:,} elements, but its record has {there:,}")
    return StatedTensor(count, each)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**48


def _parameter(data: StatedTensor, _gradient: Any, hooks: Any) -> StatedTensor:
    if not isinstance(data, StatedTensor) or hooks:
        raise RefusedError("a parameter of it is more than its numbers")
    return data


def _key(value: Any) -> str | int:
    # Large whole numbers can be chosen so that a mapping is as slow with them as a list.
    if isinstance(value, str) or (isinstance(value, int) and abs(value) < 2**31):
        return value
    raise RefusedError("its keys are not words and small whole numbers")


def _parts(value: Any) -> Iterator[Any]:
    """Yield what is directly inside a value."""
    if isinstance(value, dict):
        yield from value.values()
        yield getattr(value, "attributes", None)
    elif isinstance(value, list | tuple):
        yield from value


def _check_values(content: Any, stored: int) -> None:
    """Check nesting and number of values, aliases counted each time, and the size of all tensors."""
    count = size = 0
    left = [(content, 0)]
    while left:
        value, depth = left.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise RefusedError(f"its values are nested more than {MAX_DEPTH} deep")
        if count + len(left) > MAX_VALUES:
            raise RefusedError(f"it holds more than {MAX_VALUES:,} values")
        if isinstance(value, StatedTensor):
            size += value.elements * value.element_bytes
        elif isinstance(value, Name | Storage) and depth == 0:
            raise RefusedError("it holds no values")
        left.extend((part, depth + 1) for part in _parts(value))
    if size > MAX_SHARED * stored + 1_000_000:
        raise RefusedError(f"its tensors state {size:,} bytes, but its records have {stored:,}")
