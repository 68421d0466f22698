"""The plan of the house: who may import whom, what an import costs, what a wheel carries."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("brianlearn/**/*.py"), *ROOT.glob("models/*.py")])

# Who may import what of ours: a layer names those below it.
LAYERS = [
    {"errors", "checks", "preferences", "record", "schedule", "plots", "surrogates"},
    {
        "cache",
        "connectivity",
        "decay",
        "delays",
        "feedback",
        "move_delays",
        "parameter",
        "states",
        "trial",
    },
    {"derivation", "kernel"},
    {
        "attachment",
        "export",
        "inputs",
        "optimizers",
        "losses",
        "plastic_delay",
        "regularizers",
        "running",
        "spikes",
        "teacher",
    },
    {
        "delay_checks",
        "graded",
        "projection",
        "readout",
        "template",
        "progress",
        "targets",
        "tasks",
        "trials",
    },
    {"recorder", "learners", "models"},
    {"training"},
    {"experiment"},
]


def imported(path):
    """The modules of ours that a file imports, by the names of their rooms."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("brianlearn.")}
    return rooms


def room(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] == "models" else parts[1]


def height(name):
    return next(k for k, layer in enumerate(LAYERS) if name in layer)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    here = room(path)
    if here == "__init__":
        return
    for other in imported(path) - {here}:
        assert height(other) < height(here), f"{here} imports {other}"


def test_neighbours_keep_apart():
    """Learners know no models and no tasks; records know nothing; figures know no Brian2."""
    figures = [path for path in SOURCES if room(path) == "plots"]
    assert figures
    assert not [path for path in figures if "brian2" in path.read_text().lower()]
    assert not imported(ROOT / "brianlearn" / "record.py")


def test_import_is_light():
    """Nothing heavy or optional is imported before it is used."""
    code = (
        "import brian2, sys; before = set(sys.modules); import brianlearn;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    new = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert set(new) <= {"brianlearn", "platformdirs", "scipy", "tqdm", *sys.stdlib_module_names}


def test_only_the_kernel_knows_brian2_from_within():
    """Code generation and devices are touched in these rooms alone (and targets)."""
    inner = ("brian2.codegen", "brian2.devices.cpp_standalone", "brian2.groups.group import CodeR")
    for path in SOURCES:
        if room(path) not in {"derivation", "kernel", "running", "training"}:
            assert not any(word in path.read_text() for word in inner), path


def test_the_machine_is_asked_in_a_portable_way():
    for path in SOURCES:
        assert not any(word in path.read_text() for word in ("os.sysconf", "/proc/")), path


def test_the_age_of_a_process():
    """What a user has waited: from when it was started, not from when Python was ready."""
    code = (
        "import time; time.sleep(0.5); from brianlearn.experiment import process_age;"
        "print(process_age())"
    )
    before = time.time()
    age = float(subprocess.check_output([sys.executable, "-c", code], text=True))
    waited = time.time() - before
    assert 0.5 < age < waited + 0.05


def test_functions_take_few_parameters():
    """At most 12, but for the forms of kernels, whose C++ twin lies beside them."""
    later = {("eligibility.py", "__init__"), ("eprop_adjoint.py", "_add_products")}
    for path in SOURCES:
        forms = "".join(header.read_text() for header in path.parent.glob("*.h"))
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or f"int {node.name}(" in forms:
                continue
            taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = [one.arg for one in taken if one.arg not in ("self", "cls")]
            assert len(names) <= 12 or (path.name, node.name) in later, (path.name, node.name)
