"""What kernels do on the target numpy, noted call by call, for `replay` to do it again."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from brianlearn.kernel import Kernel
from brianlearn.kernel.path import decode

__all__ = ["Call", "Form", "Notes", "noting"]


class Form(NamedTuple):
    """A C++ form: the text that defines it, and the types of its arguments."""

    function: str
    text: str
    arguments: tuple[tuple[str, str, int | None], ...]  # name, type, how many (None: no list)

    @property
    def names(self) -> list[str]:
        """Of all arrays, those of a list with a number."""
        return [
            name if count is None else f"{name}_{k}"
            for name, _, count in self.arguments
            for k in range(1 if count is None else count)
        ]


@dataclass(frozen=True, eq=False)
class Call:
    """What a kernel's arguments held before and after a call of its Python form.

    An array is there once, though several arguments may be that array; ``held`` says which one each
    argument is.
    """

    kernel: Kernel
    form: Form
    held: list[int]
    before: list[np.ndarray]
    after: list[np.ndarray]
    code: int
    written: bytes  # to the file that the kernel names, if any

    @property
    def path(self) -> Path | None:
        """The file that the kernel names."""
        return _path(self.kernel.arrays())

    def named(self, arrays) -> dict[str, np.ndarray]:
        """Arrays by the names of the arguments that they are."""
        return {name: arrays[k] for name, k in zip(self.form.names, self.held, strict=True)}


Notes = list[Call]


@contextlib.contextmanager
def noting(every: int) -> Iterator[Notes]:
    """Note, of ``every`` so many calls of each kernel, the first two, the middle one and the last.

    None of those that take queues, which are no arrays.
    """
    notes, calls = [], {}
    chosen = {0, 1, every // 2, every - 1}

    def call(kernel):
        arrays = kernel.arrays()
        number = calls[kernel] = calls.get(kernel, -1) + 1
        noted = not kernel._queues and number % every in chosen
        path = _path(arrays)
        held, all_arrays = _distinct(arrays) if noted else ([], [])
        before, beginning = [*map(np.array, all_arrays)], _content(path)
        with np.errstate(all="ignore"):
            code = kernel.python(**arrays) or 0
        if noted:
            after = [*map(np.array, all_arrays)]
            written = _content(path)[len(beginning) :]
            notes.append(Call(kernel, _form(kernel), held, before, after, code, written))
        if code:
            kernel._stop_with_fault(code)

    with patch.object(Kernel, "_call_python_form", call):
        yield notes


def _path(arrays):
    return Path(decode(arrays["path"])) if "path" in arrays else None


def _content(path):
    return path.read_bytes() if path and path.exists() else b""


def _distinct(arrays):
    """Which array each argument is, and all arrays, each of them once."""
    lists = (value if isinstance(value, list) else [value] for value in arrays.values())
    listed = [one for items in lists for one in items]
    places = [(one.__array_interface__["data"][0], one.nbytes) for one in listed]
    distinct = dict(zip(places, listed, strict=True))
    return [[*distinct].index(place) for place in places], [*distinct.values()]


def _form(kernel):
    arguments = tuple(
        (name, one["items"][0]["ctype"], len(one["items"]) if one["is_list"] else None)
        for name, one in zip(kernel._parameters, kernel._described(), strict=True)
    )
    return Form(kernel.python.__name__, kernel.cpp_text, arguments)
