"""What an event camera saw, and the file that it lies in.

The format is that of N-MNIST (Orchard, Jayawant, Cohen and Thakor 2015, Frontiers in Neuroscience
9:437): three saccades of about 100 ms move a camera of 34 x 34 pixels in front of a handwritten
digit, and a pixel reports when it became brighter (polarity 1, on) or darker (0, off). An event has
5 bytes: x, y, then one bit of polarity and 23 bits of time in microseconds, big-endian. An event
whose y is 240 is none, but a mark: the camera's clock has overflowed, and what follows is 2**13
microseconds later than it says. N-MNIST's own files hold none; other recordings in this format do.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brianlearn.checks import whole_numbers
from brianlearn.record import replacing

__all__ = ["EVENT", "PIXELS", "WIDTH", "Events", "RecordingError", "check_size"]

WIDTH = 34  # and height
PIXELS = 2 * WIDTH**2  # of both polarities
# The word begins with y: 8 bits of it, 1 of polarity, 23 of time.
EVENT = np.dtype([("x", "u1"), ("word", ">u4")])
OVERFLOW, _LATER = 240, 2**13  # the y of a mark, and what it adds to the time of all that follow
_LIMITS = {"x": WIDTH, "y": WIDTH, "polarity": 2, "time": 2**23}


class RecordingError(ValueError):
    """A file that is no recording; the message names it, and the byte where it goes wrong."""


class EventError(RecordingError):
    """An event that cannot be: its number, and what is wrong with it."""

    def __init__(self, event: int, what: str):
        super().__init__(f"event {event}, byte {EVENT.itemsize * event}: {what}")
        self.event, self.what = event, what


def check_size(path, size: int) -> None:
    """Refuse a size in bytes that no recording has: none at all, or no whole number of events."""
    left = size % EVENT.itemsize
    if left:
        raise RecordingError(
            f"{path}, byte {size - left}: the last event has {left} bytes instead of 5; the file "
            "is cut off, or no recording."
        )
    if not size:
        raise RecordingError(f"{path}, byte 0: the file is empty.")


@dataclass(frozen=True, eq=False)
class Events:
    """The events of one recording, in order of time; kept as arrays of int32.

    Parameters
    ----------
    x, y : arrays of int (events)
        The column and the row, 0 to 33.
    polarity : array of int (events)
        1 where it became brighter (on), 0 where darker (off).
    time : array of int (events)
        In microseconds, below 2**23. Time that goes back is refused: it does so in none of 901 real
        recordings, 3.7 million events, and so tells of damage.
    overflows : int
        How many marks of an overflow its file held, which are no events and were left out.

    Raises
    ------
    RecordingError
        If an event lies outside the camera, or before the one that it follows; the message says
        which, and at which byte of a file.
    TypeError
        If something is no whole number.

    Examples
    --------
    >>> events = Events(*np.array([[3, 33], [0, 33], [0, 1], [10, 20]]))
    >>> events.pixel
    array([   3, 2311], dtype=int32)
    """

    x: np.ndarray
    y: np.ndarray
    polarity: np.ndarray
    time: np.ndarray
    overflows: int = 0

    def __post_init__(self):
        for name in _LIMITS:
            booleans = name == "polarity"
            values = whole_numbers(getattr(self, name), name, np.int32, booleans=booleans)
            object.__setattr__(self, name, values)
        if not self.x.shape == self.y.shape == self.polarity.shape == self.time.shape:
            raise ValueError("x, y, polarity and time differ in length.")
        if len(self.time):
            self._check()

    def _check(self):
        for name, limit in _LIMITS.items():
            values = getattr(self, name)
            unsigned = values.view(np.uint32)  # what is negative becomes large
            if unsigned.max() >= limit:
                first = np.flatnonzero(unsigned >= limit)[0]
                raise EventError(
                    first, f"{name} is {values[first]}, but must lie within 0 and {limit - 1}."
                )
        back = self.time[1:] < self.time[:-1]
        if back.any():
            at = back.argmax() + 1
            raise EventError(
                at, f"time goes back, from {self.time[at - 1]} to {self.time[at]} microseconds."
            )

    @classmethod
    def read(cls, path) -> "Events":
        """Read a file; one that is cut off between two events cannot be told from a whole one.

        Marks of an overflow are left out and counted in ``overflows``, and what follows them is as
        much later, as in the reader that N-MNIST was published with.

        Raises
        ------
        RecordingError
            If the file is empty or cut off within an event, or an event cannot be; the message
            names the file and the byte.
        OSError
            If there is no such file, or it cannot be read.
        """
        with open(path, "rb", buffering=0) as file:
            data = file.read()
        check_size(path, len(data))
        event = np.frombuffer(data, EVENT)
        word = event["word"].astype(np.uint32)
        parts = word >> 24, (word >> 23) & 1, word & 0x7FFFFF
        y, polarity, time = (part.view(np.int32) for part in parts)
        marks = y == OVERFLOW
        overflows = np.count_nonzero(marks)
        columns = event["x"], y, polarity, time
        if overflows:
            columns = (*columns[:3], time + _LATER * np.cumsum(marks))
            columns = (values[~marks] for values in columns)
        try:
            return cls(*columns, overflows)
        except EventError as error:
            number = np.flatnonzero(~marks)[error.event]
            raise RecordingError(f"{path}, {EventError(number, error.what)}") from None

    def write(self, path) -> None:
        """Write a file that `read` understands; its folder is made if need be.

        Raises
        ------
        RecordingError
            If there is no event: `read` would refuse the file.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Events(*np.array([[3, 33], [0, 33], [0, 1], [10, 20]])).write(f"{folder}/1.bin")
        ...     Events.read(f"{folder}/1.bin").time
        array([10, 20], dtype=int32)
        """
        check_size(path, EVENT.itemsize * len(self.time))
        event = np.empty(len(self.time), EVENT)
        event["x"] = self.x
        event["word"] = self.y.astype(np.uint32) << 24 | self.polarity << 23 | self.time
        with replacing(path) as partial:
            Path(partial).write_bytes(event.tobytes())

    @property
    def pixel(self) -> np.ndarray:
        """The flat index of each event's pixel: ``polarity*34*34 + y*34 + x``."""
        return self.polarity * WIDTH**2 + self.y * WIDTH + self.x

    def shifted(self, dx: int, dy: int) -> "Events":
        """The same, seen by a camera that was moved; what leaves its field is dropped.

        Examples
        --------
        >>> Events(*np.array([[3, 33], [0, 33], [0, 1], [10, 20]])).shifted(1, 0).x
        array([4], dtype=int32)
        """
        x, y = self.x + dx, self.y + dy
        inside = (x >= 0) & (x < WIDTH) & (y >= 0) & (y < WIDTH)
        kept = {"polarity": self.polarity[inside], "time": self.time[inside]}
        return replace(self, x=x[inside], y=y[inside], **kept)

    def frames(self, n: int = 3) -> np.ndarray:
        """How many events each pixel has in each n-th of the recording's time.

        Returns
        -------
        array of int (n, 2, 34, 34)
            Frames, polarities (off, on), rows and columns.

        Examples
        --------
        >>> frames = Events(*np.array([[3, 33], [0, 33], [0, 1], [10, 20]])).frames(2)
        >>> frames.shape, int(frames[0, 0, 0, 3]), int(frames[1, 1, 33, 33])
        ((2, 2, 34, 34), 1, 1)
        """
        end = self.time[-1] + 1 if len(self.time) else 1
        frame = self.time.astype(np.int64) * n // end
        counts = np.bincount(frame * PIXELS + self.pixel, minlength=n * PIXELS)
        return counts.reshape(n, 2, WIDTH, WIDTH)
