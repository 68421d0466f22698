"""Calls of kernels, noted on the target numpy, made again by their C++ forms, in one program.

The program may be compiled for any processor, and run by an emulator: it gets a file of calls, each
with what the arguments held, and leaves what they hold afterwards in their place.
"""

import subprocess
from pathlib import Path

import numpy as np

from brianlearn.learners.rls import _apply_pending, recursive_least_squares
from noting import Notes

__all__ = ["compiled", "replay"]

_GUARD = np.array(np.nan).tobytes()  # lies behind each array: nobody is to read or write it
_ROWS = {"traces", "adaptation", "pending", "m", "v"}  # of `learn_at_spikes`: a number a synapse

_READER = """
// A file of calls. Of each: the form's number (its code, when it was called) and where the next one
// begins; of each argument, where its array lies, and how many bytes it has; then the arrays.
static std::vector<char> calls;
static const int64_t* argument;
static char* here() { return calls.data() + argument[0]; }
static size_t bytes() { return *((argument += 2) - 1); }
"""

_MAIN = """
int main(int, char** files)
{
    std::fstream file(files[1], std::ios::in | std::ios::out | std::ios::binary);
    calls.assign(std::istreambuf_iterator<char>(file), {});
    for (size_t place = 0; place < calls.size();) {
        int64_t* const call = (int64_t*)(calls.data() + place);
        argument = call + 2;
        place = call[1];
        call[0] = forms[call[0]]();
    }
    file.clear();
    file.seekp(0);
    file.write(calls.data(), calls.size());
    return file.fail();
}
"""


def compiled(notes: Notes, command: list[str], folder: Path) -> Path:
    """A program that knows all forms that were noted.

    Parameters
    ----------
    notes : Notes
    command : list of str
        The compiler, and its flags.
    folder : Path
        Where it is made.
    """
    source, program = folder / "replay.cpp", folder / "replay"
    source.write_text(_text(_forms(notes)))
    made = subprocess.run(
        [*command, "-pthread", str(source), "-o", str(program)], capture_output=True, text=True
    )
    assert not made.returncode, made.stderr
    return program


def _forms(notes):
    return [*dict.fromkeys(call.form for call in notes)]


def _text(forms):
    """Each header in a namespace of its own, with what the system's headers give before all."""
    texts = [*dict.fromkeys(form.text for form in forms)]
    halves = [text.split("namespace { namespace rule {") for text in texts]
    rules = [f"namespace rule_{k} {{ namespace rule {{{half[1]}" for k, half in enumerate(halves)]
    calls = [_caller(k, texts.index(form.text), form) for k, form in enumerate(forms)]
    table = ", ".join(f"form_{k}" for k in range(len(forms)))
    table = f"static int (*const forms[])() = {{{table}}};"
    includes = ["#include <fstream>", "#include <iterator>", "#include <vector>"]
    includes += [half[0] for half in halves]
    return "\n".join([*includes, *rules, _READER, *calls, table, _MAIN])


def _caller(number, namespace, form):
    """A function that reads a form's arguments, and calls it."""
    lines = []
    for name, ctype, count in form.arguments:
        array, read = f"Array<{ctype}>", f"{{({ctype}*)here(), bytes() / sizeof({ctype})}}"
        if count is None:
            lines.append(f"const {array} {name}{read};")
            continue
        items = ", ".join(f"{array}{read}" for _ in range(count))
        lines.append(f"const std::initializer_list<{array}> {name}_items{{{items}}};")
        lines.append(f"const Arrays<{ctype}> {name}({name}_items);")
    names = ", ".join(name for name, *_ in form.arguments)
    lines = [f"using namespace rule_{namespace}::rule;", *lines]
    lines += [f"return rule_{namespace}::rule::{form.function}({names});"]
    return "\n".join([f"static int form_{number}()\n{{", *lines, "}\n"])


# -- its runs -------------------------------------------------------------------------------------


def replay(notes: Notes, program: list[str], folder: Path) -> list[str]:
    """Make all calls again; where the outcome differs from that of the Python form.

    Parameters
    ----------
    notes : Notes
    program : list of str
        From `compiled`, perhaps after an emulator.
    folder : Path
        For the file of calls.
    """
    numbers, file = {form: k for k, form in enumerate(_forms(notes))}, folder / "calls"
    given, wanted, begins = [], [], [0]
    for call in notes:
        given.append(_packed(call, numbers[call.form], _as_cpp_has_it(call), begins[-1]))
        wanted.append(_packed(call, call.code, call.after, begins[-1]))
        begins.append(begins[-1] + len(given[-1]))
    file.write_bytes(b"".join(given))
    written = {call.path: b"" for call in notes if call.written}
    for path in written:
        path.write_bytes(b"")
    ran = subprocess.run([*program, str(file)], capture_output=True, text=True)
    assert not ran.returncode, (ran.returncode, ran.stderr)
    results, differences = file.read_bytes(), []
    for call, expected, begin in zip(notes, wanted, begins, strict=False):
        result = results[begin : begin + len(expected)]
        if result != expected:
            differences += _differences(call, *_unpacked(call, result))
        if call.written:
            written[call.path] += call.written
    return differences + [str(path) for path in written if path.read_bytes() != written[path]]


def _packed(call, first, arrays, begin):
    """A call as the file has it, from ``begin`` on."""
    parts, table, at = [], [], begin + 16 * (1 + len(call.held))
    for array in arrays:
        padding = bytes(-array.nbytes % 8)
        parts += [array.tobytes(), padding, _GUARD]
        table.append((at, array.nbytes))
        at += array.nbytes + len(padding) + len(_GUARD)
    table = np.array([(first, at), *(table[k] for k in call.held)], dtype=np.int64)
    return b"".join([table.tobytes(), *parts])


def _unpacked(call, result):
    """A call's code, and its arrays."""
    arrays, at = [], 16 * (1 + len(call.held))
    for array in call.before:
        arrays.append(np.frombuffer(result, array.dtype, array.size, at).copy())
        at += array.nbytes + -array.nbytes % 8 + len(_GUARD)
        assert result[at - len(_GUARD) : at] == _GUARD, f"'{call.kernel.name}' writes too far"
    return int(np.frombuffer(result, np.int64, 1)[0]), arrays


def _differences(call, code, arrays):
    """What is not the same: codes and whole numbers exactly, real ones to 1e-11."""
    what = f"{call.form.function} of '{call.kernel.name}'"
    if code != call.code:
        return [f"{what}: code {code}, not {call.code}"]
    ours = _as_python_has_it(call, arrays)
    before, after = call.named(call.before), call.named(call.after)
    return [
        f"{what}: {name}"
        for name, array in ours.items()
        if not _same(*(_of_synapses(call, name, a) for a in (before[name], after[name], array)))
    ]


def _same(before, expected, ours):
    if ours.tobytes() == expected.tobytes():
        return True
    if expected.dtype != float:
        return False
    both = np.concatenate([before.ravel(), expected.ravel()])  # what sums are made of
    scale = np.abs(both[np.isfinite(both)]).max(initial=0)
    return np.allclose(ours, expected, rtol=1e-11, atol=1e-11 * scale, equal_nan=True)


# -- what the C++ forms keep in another way -------------------------------------------------------


def _as_cpp_has_it(call):
    """The arrays before a call; of RLS, with the last subtraction from P still to be done."""
    if call.kernel.python is not recursive_least_squares:
        return call.before
    arrays = [*map(np.array, call.before)]
    named = call.named(arrays)
    pending = 1 / (1 + named["q"])
    _apply_pending(named["P_packed"], named["k"], -pending)
    named["pending"][:] = pending
    return arrays


def _as_python_has_it(call, arrays):
    """The arrays after a call, by name."""
    named = call.named(arrays)
    if call.kernel.python is recursive_least_squares:
        _apply_pending(named["P_packed"], named["k"], named["pending"])
    return named


def _of_synapses(call, name, values):
    """In rows without gaps, the C++ form goes on with what belongs to no synapse, too."""
    exists = call.named(call.before).get("connected")
    if name not in _ROWS or call.form.function != "learn_at_spikes" or exists.size == 1:
        return values
    return values.reshape(-1, exists.size)[:, exists] if values.size > 1 else values
