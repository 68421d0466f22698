"""Names of files as arrays of a fixed size, which every form of a kernel can read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["FileName", "decode"]

_LONGEST = 1024


@dataclass(frozen=True)
class FileName:
    """The name of a file, as an argument of a `Kernel`, which receives its bytes.

    It is no state: a network that is restored goes on with the files that it has.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    ValueError
        If the name is too long.
    """

    path: str | Path

    def __post_init__(self):
        if len(str(self.path).encode()) >= _LONGEST:
            raise ValueError(f"The file name is longer than {_LONGEST} bytes: {self.path}")

    @property
    def codes(self) -> np.ndarray:
        """The bytes of the name, with zeros behind it."""
        name = str(self.path).encode()
        return np.array([*name, *bytes(_LONGEST - len(name))], dtype=np.int32)


def decode(codes) -> str:
    """The name whose codes these are."""
    return bytes(codes[codes > 0].astype(np.uint8)).decode()
