"""Folders of recordings, such as N-MNIST: lists of files, from which parts and folds are taken.

The layout is that of N-MNIST (Orchard, Jayawant, Cohen and Thakor 2015, Frontiers in Neuroscience
9:437): ``Train/<digit>/<number>.bin`` and ``Test/<digit>/<number>.bin``.
"""

import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from brianlearn.checks import check_whole, whole_numbers
from brianlearn.tasks.events import PIXELS, Events, RecordingError, check_size

__all__ = ["Recordings", "download"]

# Where the folders Train and Test lie: here, or where tonic or NEST's tutorial put them.
_INNER = ("", "NMNIST", "468j46mzdv-1")
_NAME = re.compile(r"\d+\.bin", re.ASCII)
_LOG_SECONDS = 5  # between looks: a log file keeps every line


@dataclass(frozen=True, eq=False)
class Recordings:
    """A list of files, of which none is open and none in memory; `scan` makes it.

    Parameters
    ----------
    paths : sequence of str
    labels : array of int32
        The class of each: the place of its digit among those that were asked for.
    skipped : sequence of RecordingError
        What was left out, and why.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> events = Events(*np.array([[3, 33], [0, 33], [0, 1], [10, 20]]))
    >>> with TemporaryDirectory() as folder:
    ...     for k in range(30):
    ...         events.write(f"{folder}/Train/{k % 10}/{k:05}.bin")
    ...     train = Recordings.scan(folder)
    ...     int(train.event_counts(progress=False)[3])
    30
    >>> len(train), train.labels[:4].tolist()
    (30, [0, 0, 0, 1])
    """

    paths: Sequence[str] = field(repr=False)
    labels: np.ndarray = field(repr=False)
    skipped: Sequence[RecordingError] = ()

    def __post_init__(self):
        labels = whole_numbers(self.labels, "labels", np.int32)
        if labels.shape != (len(self.paths),):
            raise ValueError(f"labels is {labels.shape}, but there are {len(self.paths)} paths.")
        object.__setattr__(self, "labels", labels)

    @classmethod
    def scan(
        cls, directory, split: str = "Train", *, digits: Sequence[int] = range(10),
        malformed: str = "refuse", progress: bool = True,
    ) -> "Recordings":  # fmt: skip
        """List the files of a folder, by digit and then by name.

        Names and sizes are looked at now, contents when a recording is read, unless malformed ones
        are to be skipped: then each file is read once now. What begins with a dot is not looked at.

        Parameters
        ----------
        directory : str or Path
            What holds the folders ``Train`` and ``Test``, itself or within ``NMNIST`` (tonic).
        split : str
            The folder of the digits' folders: ``"Train"`` or ``"Test"``.
        digits : sequence of int
            Which to take; the first of them is class 0, and so on.
        malformed : str
            ``"refuse"``, or ``"skip"``: leave out files that are no recordings, with a warning
            that counts them.
        progress : bool
            Whether a bar shows how far the reading is.

        Raises
        ------
        FileNotFoundError
            If a folder is missing; the message names it.
        RecordingError
            If a file is no recording, or a digit has none.
        """
        if malformed not in ("refuse", "skip"):
            raise ValueError(f"malformed is {malformed!r}, but must be 'refuse' or 'skip'.")
        if not len(digits) or len(set(digits)) < len(digits):
            raise ValueError(f"digits is {digits}, but must name one or more, each once.")
        folders = _folders(directory, split, digits)
        skip = malformed == "skip"
        found = [(path, label) for label, folder in enumerate(folders) for path in _files(folder)]
        paths, labels, skipped = [], [], []
        for path, label in _shown(found, "checking recordings", progress and skip):
            try:
                _check(path, contents=skip)
            except RecordingError as error:
                if not skip:
                    raise
                skipped.append(error)
            else:
                paths.append(path)
                labels.append(label)
        _check_all_there(folders, labels)
        if skipped:
            warnings.warn(
                f"{len(skipped)} of {len(found)} files are no recordings and were left out; the "
                f"first: {skipped[0]}",
                stacklevel=2,
            )
        return cls(paths, np.array(labels, np.int32), skipped)

    def __len__(self) -> int:
        return len(self.paths)

    def __add__(self, other: "Recordings") -> "Recordings":
        """Both, one after the other; their labels must mean the same."""
        return Recordings(
            [*self.paths, *other.paths],
            np.concatenate([self.labels, other.labels]),
            [*self.skipped, *other.skipped],
        )

    def part(self, numbers) -> "Recordings":
        """Some of them, by their numbers."""
        numbers = whole_numbers(numbers, "numbers")
        return replace(
            self, paths=[self.paths[i] for i in numbers], labels=self.labels[numbers], skipped=()
        )

    def folds(self, n: int, seed: int | Sequence[int]) -> Iterator[tuple["Recordings", ...]]:
        """Give pairs to train and to validate with, for cross-validation.

        Every recording is validated with once. All folds have as many of each class, or one more,
        and they are as large, or one larger; the seed says which recordings they have.

        Raises
        ------
        ValueError
            If there are fewer than 2 folds, or a class has fewer recordings than there are folds.

        Examples
        --------
        >>> recordings = Recordings([f"{k}.bin" for k in range(30)], np.repeat([0, 1, 2], 10))
        >>> [(len(train), np.bincount(rest.labels).tolist())
        ...  for train, rest in recordings.folds(5, seed=1)][:2]
        [(24, [2, 2, 2]), (24, [2, 2, 2])]
        """
        check_whole("n", n, 1)
        frequency = np.bincount(self.labels)
        if n < 2 or frequency.min() < n:
            raise ValueError(
                f"n is {n}, but there must be 2 folds or more, and {frequency.min()} or fewer, as "
                f"class {frequency.argmin()} has no more recordings."
            )
        random = np.random.default_rng(seed)
        shuffled = [
            random.permutation(np.flatnonzero(self.labels == c)) for c in range(len(frequency))
        ]
        fold = np.empty(len(self), int)
        fold[np.concatenate(shuffled)] = np.arange(len(self)) % n  # dealt out like cards
        for k in range(n):
            yield self.part(np.flatnonzero(fold != k)), self.part(np.flatnonzero(fold == k))

    def event_counts(self, progress: bool = True) -> np.ndarray:
        """How many events each pixel has in all of them: array of int (2312), by flat index.

        One recording is in memory at a time.

        Raises
        ------
        RecordingError
            If a file is no recording.
        """
        counts = np.zeros(PIXELS, int)
        for path in _shown(self.paths, "counting events", progress):
            counts += np.bincount(Events.read(path).pixel, minlength=PIXELS)
        return counts


def download(directory) -> Path:
    """Download all of N-MNIST (70,000 recordings) by the package tonic, if it is not there yet.

    Parameters
    ----------
    directory : str or Path
        Where a folder ``NMNIST`` is made, which holds ``Train`` and ``Test``.

    Returns
    -------
    Path
        That folder, for `Recordings.scan`.

    Raises
    ------
    ImportError
        If tonic is not installed.

    Examples
    --------
    >>> train = Recordings.scan(download("data"), "Train")  # doctest: +SKIP
    """
    try:
        from tonic.datasets import NMNIST
    except ImportError as error:
        raise ImportError(
            "N-MNIST is downloaded by the package tonic, which is not there: "
            "pip install 'brianlearn[data]'"
        ) from error
    directory = Path(directory).expanduser()
    for train in (True, False):
        NMNIST(save_to=str(directory), train=train)  # downloads what is missing
    return directory / "NMNIST"


def _folders(directory, split, digits):
    """The folders of the digits."""
    directory = Path(directory).expanduser()
    if not directory.is_dir():
        raise FileNotFoundError(
            f"There is no folder {directory}; brianlearn.tasks.recordings.download gets N-MNIST."
        )
    for inner in _INNER:
        if (directory / inner / split).is_dir():
            folders = [directory / inner / split / str(digit) for digit in digits]
            break
    else:
        raise FileNotFoundError(
            f"{directory} holds no folder {split}, nor does {directory / 'NMNIST'}: name what "
            "holds Train and Test."
        )
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}, but every digit needs its own.")
    return folders


def _files(folder):
    """What lies in a folder, by name; what systems hide there is no recording."""
    names = (name for name in os.listdir(folder) if not name.startswith("."))
    return [os.path.join(folder, name) for name in sorted(names)]


def _check(path, contents):
    """Refuse a file that is no recording, by its name, its size and, if asked, its contents."""
    if not _NAME.fullmatch(os.path.basename(path)) or not os.path.isfile(path):
        raise RecordingError(f"{path} is no recording, which is a file <number>.bin.")
    check_size(path, os.path.getsize(path))
    if contents:
        Events.read(path)


def _check_all_there(folders, labels):
    for folder, frequency in zip(folders, np.bincount(labels, minlength=len(folders)), strict=True):
        if not frequency:
            raise RecordingError(f"{folder} holds no recording.")


def _shown(items, what, progress):
    """The items, while a bar shows how many of them there have been."""
    pause = 0.1 if sys.stderr.isatty() else _LOG_SECONDS
    return tqdm(items, desc=what, mininterval=pause, leave=False, disable=not progress)
