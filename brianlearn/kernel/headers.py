"""The standard library's headers, precompiled: to read them takes longer than to compile the rest.

In standalone mode, every file that Brian2 generates is compiled with ``-include standard.h``. GCC
looks for it in the cache first, where lies what it made of it, once for each compiler and set of
flags; it takes what fits, and the text beside this file where nothing does.
"""

import contextlib
import hashlib
import os
import subprocess
from importlib.resources import files

from brianlearn import cache, record

__all__ = ["include_precompiled"]

_HERE = files("brianlearn.kernel")


def include_precompiled(command: list[str], flags: list[str]) -> list[str]:
    """Arguments for GCC that include the header, which is precompiled unless it has been.

    Parameters
    ----------
    command : list of str
        The compiler. Should it fail, nothing is lost but time.
    flags : list of str
        With which the files will be compiled.
    """
    folder, header = cache.directory("headers"), _HERE / "standard.h"
    made_from = repr((command, flags, header.read_text()))
    name = hashlib.sha256(made_from.encode()).hexdigest()[:16]
    precompiled = folder / "standard.h.gch" / name  # of this folder, GCC takes what fits
    if not precompiled.exists():
        arguments = [*command, *flags, "-x", "c++-header", str(header), "-o"]
        precompiled.parent.mkdir(exist_ok=True)
        with contextlib.suppress(subprocess.CalledProcessError, FileNotFoundError):
            with record.replacing(folder / name) as partial:
                subprocess.run([*arguments, partial], capture_output=True, check=True)
            os.replace(folder / name, precompiled)  # unless another run has just done so
    return ["-I", str(folder), "-I", str(_HERE), "-include", "standard.h"]
