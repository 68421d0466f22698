"""Brian2's loops over neurons and synapses, written so that the compiler vectorises them.

What integrates equations, and ``run_regularly``, come from one template of Brian2's for each
target. Ours say the same, but hold the loop in a function: GCC believes of a function's arguments,
and of nothing else, that arrays do not overlap. It has to know in loops that read through indices,
as those of synapses do.
"""

import re
from importlib.resources import files

from brian2.codegen.generators.cython_generator import CythonCodeGenerator
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.utils.stringtools import get_identifiers
from jinja2 import DictLoader

__all__ = ["use_our_loops"]

_THEIRS, _OURS = "stateupdate", "brianlearn_stateupdate"
_IN_CYTHON = re.compile(r"(?:cdef (?P<type>\w+) ?(?P<array>\*)? ?)?(?P<name>\w+)(?P<given> = .*)?")
_IN_CPP = re.compile(r"(?P<type>\w+\* +\w+) +(?P<name>\w+) = .*")  # only if it is __restrict
_NEVER_RAISE = ("clip", "sign")


def use_our_loops() -> None:
    """From now on, Brian2 generates our loops; all results stay the same, to the bit."""
    for code_object in (CythonCodeObject, CPPStandaloneCodeObject):
        templates = code_object.templater.templates
        templates._templates[_THEIRS] = templates.get_template(_OURS)
    for name in _NEVER_RAISE:  # so that Cython need not look for an exception after each call
        implementations = DEFAULT_FUNCTIONS[name].implementations
        theirs = implementations[CythonCodeGenerator]
        text = re.sub(r"^(cdef .*\)):$", r"\1 noexcept:", theirs.get_code(None), flags=re.MULTILINE)
        implementations.add_implementation(CythonCodeGenerator, text, name=theirs.name)


def _used(declaration: re.Pattern, lines: list[str], code: str) -> list[dict]:
    """What the lines declare and the code uses."""
    names = get_identifiers(code)
    declared = filter(None, map(declaration.fullmatch, dict.fromkeys(lines)))
    return [each.groupdict() for each in declared if each["name"] in names]


def _used_in_cython(lines: str, scalar_code: str, vector_code: str) -> list[dict]:
    """Each has a name and a type (of elements, if an array); some are given, others local."""
    return _used(_IN_CYTHON, lines.split("\n"), f"N\n{scalar_code}\n{vector_code}")


def _used_in_cpp(lines: list[str], vector_code: list[str]) -> list[dict]:
    """The arrays, each with a name and a type."""
    return _used(_IN_CPP, lines, "\n".join(vector_code))


for _code_object, _suffix, _filter in (
    (CythonCodeObject, ".pyx", _used_in_cython),
    (CPPStandaloneCodeObject, ".cpp", _used_in_cpp),
):
    _environment = _code_object.templater.env
    _text = (files("brianlearn.kernel") / (_THEIRS + _suffix)).read_text()
    _environment.loader.loaders.append(DictLoader({_OURS + _suffix: _text}))
    _environment.filters["used_in"] = _filter
