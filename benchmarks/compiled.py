"""Compiled code called without Brian2: kernels' C++ forms, and plain loops over memory.

Each function takes how often to call, and returns the seconds of one call by the compiled code's
own clock.
"""

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from brianlearn.kernel import compiler

CLOCK = """
#include <chrono>
#include <cstddef>
static double now()
{
    return std::chrono::duration<double>(
        std::chrono::steady_clock::now().time_since_epoch()).count();
}
"""

LOOPS = """
// A sum of integers, whose order is the compiler's to choose.
extern "C" double read_once(const long* x, size_t n, size_t calls)
{
    const double began = now();
    long total = 0;
    for (size_t call = 0; call < calls; call++) {
        for (size_t k = 0; k < n; k++) total += x[k];
        asm volatile("" : "+r"(total) : : "memory");
    }
    return (now() - began) / calls;
}

extern "C" double change_once(double* x, size_t n, size_t calls)
{
    const double began = now();
    for (size_t call = 0; call < calls; call++) {
        for (size_t k = 0; k < n; k++) x[k] += 0.0;
        asm volatile("" : : : "memory");
    }
    return (now() - began) / calls;
}
"""

CALL = """
extern "C" double call(void** data, const size_t* sizes, size_t calls, int* fault)
{{
    using namespace rule;
    const double began = now();
    for (size_t k = 0; k < calls && !*fault; k++) *fault = rule::{function}({views});
    return (now() - began) / calls;
}}
"""


class Memory:
    """Plain loops over an array, compiled for this very machine, whatever kernels are made for."""

    def __init__(self):
        flags = "-O3", "-march=native", "-mprefer-vector-width=512"
        self.library = library(CLOCK + LOOPS, *flags)

    def read(self, array):
        """Return the function that reads an array once."""
        return self._loop(self.library.read_once, array)

    def change(self, array):
        """Return the function that reads and writes it once; its values stay."""
        return self._loop(self.library.change_once, array)

    def _loop(self, function, array):
        function.restype = ctypes.c_double
        return lambda calls: function(
            array.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(array.nbytes // 8),
            ctypes.c_size_t(calls),
        )


def form(kernel, values):
    """Return the function that calls a kernel's C++ form.

    Parameters
    ----------
    kernel : Kernel
    values : dict
        Arrays by name (of a list, ``name_0`` and so on) in place of the kernel's own; of the right
        type, they are changed in place.

    Raises
    ------
    RuntimeError
        By the function, if the form tells of a fault.
    """
    arrays, views = [], []
    for described, own in zip(kernel._described(), kernel.arrays().values(), strict=True):
        items = []
        owned = own if described["is_list"] else [own]
        for item, array in zip(described["items"], owned, strict=True):
            k, ctype = len(arrays), item["ctype"]
            items.append(f"Array<{ctype}>{{({ctype}*)data[{k}], sizes[{k}]}}")
            given = np.asarray(values.get(item["name"], array), dtype=array.dtype)
            arrays.append(given.reshape(-1))
        listed = f"Arrays<{items[0].partition('<')[2].partition('>')[0]}>({{{', '.join(items)}}})"
        views.append(listed if described["is_list"] else items[0])
    text = CLOCK + CALL.format(function=kernel.python.__name__, views=", ".join(views))
    call = library(kernel.cpp_text + text, *compiler.exact_flags()).call
    call.restype, fault = ctypes.c_double, ctypes.c_int()
    data = (ctypes.c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])
    sizes = (ctypes.c_size_t * len(arrays))(*[array.size for array in arrays])

    def seconds(calls, keep_alive=arrays):
        took = call(data, sizes, ctypes.c_size_t(calls), ctypes.byref(fault))
        if fault.value:
            raise RuntimeError(f"'{kernel.name}' tells of fault {fault.value}.")
        return took

    return seconds


def library(text, *flags):
    """Compile C++, and load it."""
    path = Path(tempfile.mkdtemp()) / "compiled.so"
    command = [*compiler.command(), *flags, "-w", "-shared", "-fPIC", "-pthread", "-x", "c++", "-"]
    subprocess.run([*command, "-o", str(path)], input=text, text=True, check=True)
    return ctypes.CDLL(str(path))
