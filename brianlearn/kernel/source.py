"""The text that is compiled: our templates in Brian2's templaters, and a rule's own C++."""

import re
from importlib.resources import files
from pathlib import Path

from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from jinja2 import DictLoader

__all__ = ["TEMPLATE", "call_to", "check_parameters", "self_contained"]

TEMPLATE = "brianlearn_kernel"

_HERE = files("brianlearn.kernel")
_SUFFIXES = {CythonCodeObject: ".pyx", CPPStandaloneCodeObject: ".cpp", NumpyCodeObject: ".py_"}

for _code_object, _suffix in _SUFFIXES.items():
    _text = (_HERE / ("kernel" + _suffix)).read_text()
    _code_object.templater.env.loader.loaders.append(DictLoader({TEMPLATE + _suffix: _text}))


def check_parameters(text: str, function: str, parameters: list[str]) -> None:
    """Refuse C++ whose parameters are not those of the Python form, in its order.

    Raises
    ------
    TypeError
        With both lists.
    """
    found = re.search(rf"\bint\s+{function}\s*\(([^)]*)\)", text)
    if found is None:
        return  # no such function: the compiler says so
    names = [re.findall(r"\w+", part)[-1] for part in found.group(1).split(",") if part.strip()]
    if names != parameters:
        raise TypeError(
            f"{function} takes {', '.join(parameters)} in Python, but {', '.join(names)} in C++."
        )


def call_to(function: str, arguments: list[dict]) -> str:
    """C++ that calls the form as the templates do, for the compiler to check."""
    views = []
    for argument in arguments:
        if argument["items"][0]["pathway"]:
            views.append("Queues{nullptr, 0}")
            continue
        arrays = [f"Array<{a['ctype']}>{{(({a['ctype']}*)nullptr), 0}}" for a in argument["items"]]
        ctype = argument["items"][0]["ctype"]
        views.append(
            f"Arrays<{ctype}>({{{', '.join(arrays)}}})" if argument["is_list"] else arrays[0]
        )
    call = f"rule::{function}({', '.join(views)})"
    return f"\nint brianlearn_check() {{ using namespace rule; return {call}; }}\n"


def self_contained(cpp, *further: str) -> str:
    """A rule's C++ with our headers, in a namespace of its own below the system's headers.

    Parameters
    ----------
    cpp : path or str
        A header file, or its text (which has a brace or several lines).
    *further : str
        Those of our headers that it needs besides: ``queues.h``, ``parallel.h``.

    Raises
    ------
    ValueError
        If it includes a header of the project's: Brian2's Cython cache looks at the text alone, and
        would not notice a change of that header.
    """
    text = cpp if isinstance(cpp, str) and set(cpp) & set("{\n") else Path(cpp).read_text()
    ours = ["lanes.h", "kernel.h", *further]
    texts = [*((_HERE / name).read_text() for name in ours), text]
    preambles, bodies = zip(*map(_split, texts), strict=True)
    if re.search(r'^\s*#include\s*"', text, flags=re.MULTILINE):
        raise ValueError("A rule's C++ is one header: put the text of those it includes into it.")
    return "\n".join([*preambles, "namespace { namespace rule {", *bodies, "} }"])


def _split(text: str) -> tuple[str, str]:
    """The leading comments and preprocessor lines, and the rest."""
    lines = text.splitlines()
    first = next((k for k, line in enumerate(lines) if not re.match(r"\s*(#|//|$)", line)), None)
    return "\n".join(lines[:first]), "\n".join(lines[first:] if first is not None else [])
