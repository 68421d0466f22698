"""Scripts as users run them: in a process of their own, with what they write and print."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "scripts"


def run(name, out, *arguments):
    """Run a script; its result, and what it printed."""
    command = [sys.executable, SCRIPTS / f"{name}.py", "--out", out, *arguments]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((out / "result.json").read_text()), done.stdout


def refused(name, *arguments):
    """What a script says of wrong arguments."""
    command = [sys.executable, SCRIPTS / f"{name}.py", *arguments]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    return done.stderr
