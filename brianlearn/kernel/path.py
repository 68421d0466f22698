"""Names of files as arrays of a fixed size, which every form of a kernel can read."""

import numpy as np

__all__ = ["decode", "encode"]

_LONGEST = 1024


def encode(path) -> np.ndarray:
    """The bytes of a file's name, with zeros behind it.

    Raises
    ------
    ValueError
        If the name is too long.
    """
    name = str(path).encode()
    if len(name) >= _LONGEST:
        raise ValueError(f"The file name is longer than {_LONGEST} bytes: {path}")
    codes = np.zeros(_LONGEST, dtype=np.int32)
    codes[: len(name)] = list(name)
    return codes


def decode(codes) -> str:
    """The name that `encode` was given."""
    return bytes(codes[codes > 0].astype(np.uint8)).decode()
