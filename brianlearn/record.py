"""Files that are written whole or not at all: arrays (``.npz``) and named numbers (``.json``)."""

import contextlib
import json
import os
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

__all__ = ["load", "replacing", "save", "save_json"]


@contextlib.contextmanager
def replacing(path):
    """Give the name of a temporary file that takes the place of ``path`` if all went well.

    Parameters
    ----------
    path : str or Path
        The file to write; its folder is made if need be.

    Yields
    ------
    str
        A file in the same folder, with the same suffix.

    Raises
    ------
    OSError
        If the folder cannot be made or written.

    Examples
    --------
    >>> with replacing("answer.txt") as partial:  # doctest: +SKIP
    ...     Path(partial).write_text("42")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-", suffix=path.suffix)
    os.close(handle)
    try:
        yield partial
        os.chmod(partial, (os.stat(partial).st_mode & 0o111) | (0o666 & ~_umask()))
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save(path, *, compressed: bool = True, **arrays) -> None:
    """Write named arrays to a ``.npz`` file, without units (Brian2's base units, SI)."""
    write = np.savez_compressed if compressed else np.savez
    with replacing(_npz(path)) as partial:
        write(partial, **{key: np.asarray(value) for key, value in arrays.items()})


def load(path, *expected: str) -> dict[str, np.ndarray]:
    """Read what `save` wrote.

    Parameters
    ----------
    path : str or Path
    *expected : str
        Names of arrays that it must hold.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no such file, damaged, or lacks one of the arrays.
    """
    try:
        with np.load(_npz(path), allow_pickle=False) as arrays:
            loaded = dict(arrays)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"'{path}' is damaged, or not a file that was saved here: {error}"
        ) from error
    if missing := sorted(set(expected) - set(loaded)):
        raise ValueError(f"'{path}' holds no {', '.join(missing)}: it was saved by something else.")
    return loaded


def _npz(path) -> Path:
    path = Path(path)
    return path if path.suffix == ".npz" else path.with_name(path.name + ".npz")


def save_json(path, values: dict) -> None:
    """Write named numbers, lists and strings to a ``.json`` file."""
    with replacing(path) as partial:
        Path(partial).write_text(json.dumps(values, indent=2, default=_plain) + "\n")


def _plain(value):
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value).tolist()
    return str(value)
