"""Files that are written whole or not at all: arrays (``.npz``) and named numbers (``.json``)."""

import contextlib
import json
import os
import tempfile
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


def save(path, **arrays) -> None:
    """Write named arrays to a ``.npz`` file, without units (Brian2's base units, SI)."""
    with replacing(Path(path).with_suffix(".npz")) as partial:
        np.savez_compressed(partial, **{key: np.asarray(value) for key, value in arrays.items()})


def load(path) -> dict[str, np.ndarray]:
    """Read what `save` wrote."""
    with np.load(Path(path).with_suffix(".npz"), allow_pickle=False) as arrays:
        return dict(arrays)


def save_json(path, values: dict) -> None:
    """Write named numbers, lists and strings to a ``.json`` file."""
    with replacing(path) as partial:
        Path(partial).write_text(json.dumps(values, indent=2, default=_plain) + "\n")


def _plain(value):
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value).tolist()
    return str(value)
