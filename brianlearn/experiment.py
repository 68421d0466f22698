"""The one face of all scripts: common flags, a folder of results, errors in a sentence."""

import argparse
import importlib.metadata
import json
import platform
import sys
import tempfile
import time
from pathlib import Path

from brianlearn import record
from brianlearn.errors import CompilationError, CompilerNotFoundError, DivergenceError
from brianlearn.targets import TARGETS

__all__ = [
    "add_checkpoint",
    "arguments",
    "checkpoint",
    "process_age",
    "run",
    "versions",
    "write",
]


def arguments(doc: str, name: str) -> argparse.ArgumentParser:
    """A parser with the flags that mean the same in every script; ``doc`` is its help."""
    parser = argparse.ArgumentParser(
        prog=name, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--target", choices=TARGETS, default="cpp_standalone", help="where it runs (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the random draws (%(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("results") / name, metavar="DIR",
        help="folder for result.json, record.npz and the figures (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--no-plot", action="store_true", help="draw no figures")
    return parser


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """The flags of a script that can be stopped and resumed."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="keep what was learned in this file (and beside it, for a second optimizer)",
    )
    parser.add_argument(
        "--resume", action="store_true",
        help="go on from the checkpoint, if it exists; the result is that of a run in one piece",
    )  # fmt: skip


def checkpoint(options: argparse.Namespace, suffix: str = "") -> dict:
    """What the flags mean to `Training`; ``suffix`` tells the trainings of one script apart."""
    path = options.checkpoint
    if options.resume and path is None:
        raise ValueError("--resume needs the --checkpoint to go on from.")
    if path is not None and suffix:
        path = path.with_name(f"{path.stem}-{suffix}{path.suffix}")
    return {"checkpoint": path, "resume": options.resume}


def run(main, parser: argparse.ArgumentParser) -> None:
    """Run a script's ``main(options)``; what a user can mend is said in a sentence, not a trace.

    Exit codes: 2 for a wrong argument, 1 for a failure, 130 for an interruption. Results of an
    earlier run stay as they are unless ``main`` gets as far as writing new ones.
    """
    options = parser.parse_args()
    try:
        _check_writable(options.out)
        main(options)
    except ValueError as error:
        parser.error(str(error))
    except MemoryError as error:
        sys.exit(f"{parser.prog}: not enough memory: {error}")
    except (OSError, CompilationError, CompilerNotFoundError, DivergenceError) as error:
        sys.exit(f"{parser.prog}: {error}")
    except KeyboardInterrupt:
        print(f"\n{parser.prog}: interrupted; {options.out} is as it was", file=sys.stderr)
        sys.exit(130)


def _check_writable(folder: Path) -> None:
    """Find out before the work, not after it, whether results can be written."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def process_age() -> float:
    """Seconds since this process began: what a user has waited so far."""
    import psutil  # which takes a while

    began = psutil.Process().create_time()
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux, whose time of boot is rounded to seconds
        return time.clock_gettime(time.CLOCK_BOOTTIME) - (began - psutil.boot_time())
    return time.time() - began


def write(
    options: argparse.Namespace, parameters: dict, result: dict, arrays: dict, figures: dict
) -> None:
    """Write a script's results into its folder, each file whole or not at all.

    Parameters
    ----------
    options : Namespace
        The script's arguments.
    parameters : dict
        Everything else that the results depend on; with the arguments and the versions of all
        packages, it is kept in ``result.json`` and, as text, in ``record.npz``.
    result : dict
        The named numbers of ``result.json``.
    arrays : dict
        What ``record.npz`` holds.
    figures : dict of str to Figure
        Names of image files, and what they show.
    """
    arguments = {key: value for key, value in vars(options).items() if key != "out"}
    origin = {"parameters": arguments | parameters, "versions": versions()}
    origin = json.dumps(origin, default=str)  # quantities as Brian2 writes them
    record.save(options.out / "record.npz", **arrays, origin=origin)
    result = {**result, "target": options.target, "seed": options.seed, **json.loads(origin)}
    for name, figure in figures.items():
        with record.replacing(options.out / name) as partial:
            figure.savefig(partial)
    record.save_json(options.out / "result.json", result)


def versions() -> dict:
    """The versions of everything that a result depends on."""
    packages = ("brianlearn", "brian2", "numpy", "scipy", "cython")
    installed = {package: importlib.metadata.version(package) for package in packages}
    return installed | {"python": platform.python_version()}
