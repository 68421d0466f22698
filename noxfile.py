"""The tests on every supported Python that starts on this machine: ``nox``."""

import shutil
import subprocess
from pathlib import Path

import nox

nox.options.error_on_missing_interpreters = False


def interpreters():
    """Paths of Pythons that really run: one on the path may be a shim that only fails."""
    found = {}
    for version in ("3.11", "3.12", "3.13"):
        candidates = [shutil.which(f"python{version}")]
        candidates += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        for candidate in filter(None, candidates):
            check = [candidate, "-c", f"import sys; assert sys.version.startswith('{version}.')"]
            if subprocess.run(check, capture_output=True).returncode == 0:
                found[version] = str(candidate)
                break
    return found


@nox.session
@nox.parametrize("python", [*interpreters().values()], ids=[*interpreters()])
def tests(session):
    """Run the default tests."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-n", "2", *session.posargs)
