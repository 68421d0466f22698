"""A rule's C++ form as a Python function, compiled by itself: no network, no Brian2 run."""

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from brianlearn.kernel import compiler
from brianlearn.kernel.headers import include_precompiled
from brianlearn.kernel.source import self_contained

_CTYPES = {"f": "double", "i8": "int64_t", "i4": "int32_t", "b": "char"}


def native(text_or_path, function, *, headers=(), optimized=True, **dtypes):
    """Compile one function; ``dtypes`` names its parameters in order ("f", "i8", "i4", "b").

    A list of two arrays is "i4*2". ``headers`` are those of ours that it needs besides. What runs
    only once, such as a mutant, is sooner there if it is not ``optimized``.
    """
    types, views = [], []
    for code in dtypes.values():
        kind, _, count = code.partition("*")
        ctype, first = _CTYPES[kind], len(types)
        types += [ctype] * int(count or 1)
        items = [f"Array<{ctype}>{{p{k}, n{k}}}" for k in range(first, len(types))]
        views.append(f"Arrays<{ctype}>({{{', '.join(items)}}})" if count else items[0])
    parameters = ", ".join(f"{t}* p{k}, size_t n{k}" for k, t in enumerate(types))
    text = (
        f"{self_contained(text_or_path, *headers)}\n"
        f'extern "C" int call({parameters})'
        f"{{ using namespace rule; return rule::{function}({', '.join(views)}); }}\n"
    )
    library = Path(tempfile.mkdtemp()) / "rule.so"
    flags = [*compiler.exact_flags(), *([] if optimized else ["-O0"]), "-fPIC"]
    command = [*compiler.command(), *flags, *include_precompiled(compiler.command(), flags)]
    command += ["-shared", "-x", "c++", "-", *compiler.include_flags()]
    subprocess.run([*command, "-o", str(library)], input=text, text=True, check=True)
    call = ctypes.CDLL(str(library)).call

    def run(**arguments):
        words = []
        for name, code in dtypes.items():
            for array in arguments[name] if "*" in code else [arguments[name]]:
                assert array.flags.c_contiguous
                words += [array.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(array.size)]
        return call(*words)

    return run


def empty(shape, code):
    """An array of the type that ``code`` names."""
    return np.zeros(shape, dtype={"f": float, "i8": np.int64, "i4": np.int32, "b": bool}[code])
