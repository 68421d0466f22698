"""A standalone project as a process that stays alive between runs, and does what it is told.

Commands and replies go through two pipes as four, and three, whole numbers, followed by bytes; the
other end is ``process.cpp``. A command takes about 0.1 ms.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import weakref

import numpy as np

__all__ = ["COMMANDS", "Process"]

COMMANDS = (
    "RUN", "KEEP", "BACK", "SEED", "READ", "WRITE", "PREPARE", "READ_QUEUE", "WRITE_QUEUE",
    "READ_RANDOM", "WRITE_RANDOM",
)  # fmt: skip
_PATIENCE = 1000  # milliseconds until a process that was asked to stop is asked again
_OFTEN = 30  # times that it is asked before it is ended


class Process:
    """The running binary of a standalone project; it ends with this object, or with this program.

    Parameters
    ----------
    command : list of str
        What starts it.
    folder : str
        Of the project.
    environment : dict
        Added to this program's environment variables.

    Attributes
    ----------
    time : float
        Where the last run has ended, in seconds.

    Raises
    ------
    RuntimeError
        If it does not start, or ends unasked: with what it wrote to its standard error.
    """

    def __init__(self, command: list[str], folder: str, environment: dict):
        theirs_in, self._commands = os.pipe()
        self._replies, theirs_out = os.pipe()
        pipes = {"BRIANLEARN_COMMANDS": str(theirs_in), "BRIANLEARN_REPLIES": str(theirs_out)}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (it is read when the child crashes)
        self.time, self._owner = 0.0, os.getpid()
        self._told = 0  # bytes of it that were passed on
        self._lock = threading.Lock()
        try:
            self._child = subprocess.Popen(
                command, cwd=folder, env=os.environ | environment | pipes, stdin=subprocess.DEVNULL,
                stderr=self._errors, pass_fds=(theirs_in, theirs_out), start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        mine = self._owner, self._child, self._errors, self._commands, self._replies
        self._end = weakref.finalize(self, _end, *mine)
        self._ready = select.poll()
        self._ready.register(self._replies, select.POLLIN)
        with _uninterrupted():
            self._reply()

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._end.alive

    @property
    def is_busy(self) -> bool:
        """Whether a command is under way."""
        return self._lock.locked()

    def end(self) -> None:
        """End it; its memory is lost."""
        self._end()

    def run(self, start: float, end: float) -> bool:
        """Go on from one time to another, in seconds; Ctrl-C stops at the end of a time step.

        Returns
        -------
        bool
            Whether it stopped before the end, because something in the network asked for it. Where
            it is then, its ``time`` says.
        """
        with self._lock:
            with _uninterrupted():
                self._send("RUN", data=np.array([start, end]).tobytes())
            try:
                self._ready.poll()
            except BaseException:
                with _uninterrupted():
                    self._stop()
                    self._arrive()
                raise
            with _uninterrupted():
                stopped = self._arrive()
        sys.stderr.write(self._said())
        return stopped

    def _arrive(self):
        stopped = bool(self._reply()[0])
        self.time = float(np.frombuffer(self._receive(8))[0])
        return stopped

    def _stop(self):
        """Ask until it has stopped: a signal may come before the run has begun."""
        for _ in range(_OFTEN):
            self._child.send_signal(signal.SIGINT)
            if self._ready.poll(_PATIENCE):
                return
        self.end()
        raise RuntimeError("The standalone network did not stop, and was ended: it is lost.")

    def tell(self, command: str, a: int = 0, b: int = 0, c: int = 0, data: bytes = b"") -> None:
        """Give a command that is answered by no more than that it was done."""
        with self._lock, _uninterrupted():
            self._send(command, a, b, c, data)
            self._reply()

    def read(self, index: int, dtype) -> np.ndarray:
        """An array, by its place in the project's list, in its present shape."""
        with self._lock, _uninterrupted():
            self._send("READ", index)
            rows, columns, _ = self._reply()
            shape = (rows,) if columns < 0 else (rows, columns)
            data = self._receive(int(np.prod(shape)) * np.dtype(dtype).itemsize)
            return np.frombuffer(data, dtype=dtype).reshape(shape)

    def write(self, index: int, values: np.ndarray) -> None:
        """Set an array to values of its type; one that can grow takes their shape."""
        rows, columns = values.shape if values.ndim == 2 else (values.size, -1)
        self.tell("WRITE", index, rows, columns, values.tobytes())

    def read_bytes(self, command: str, a: int = 0, size: int = 1) -> bytearray:
        """What the process holds besides arrays, in items of ``size`` bytes."""
        with self._lock, _uninterrupted():
            self._send(command, a)
            return self._receive(self._reply()[0] * size)

    def _send(self, command, a=0, b=0, c=0, data=b""):
        words = np.array([COMMANDS.index(command), a, b, c], dtype=np.int64).tobytes()
        if not self.is_alive:
            raise RuntimeError(
                "The process of the standalone network has ended. Call set_target, and make the "
                "network anew."
            )
        if os.getpid() != self._owner:
            raise RuntimeError(
                "The standalone network lives in a process of the program that this one was forked "
                "from, and both cannot go on with it. Call set_target, and make a network here."
            )
        left = memoryview(words + data)
        try:
            while left:
                left = left[os.write(self._commands, left) :]
        except BrokenPipeError:
            self._crash()

    def _reply(self):
        return np.frombuffer(self._receive(24), dtype=np.int64).tolist()

    def _receive(self, size):
        data = bytearray(size)
        view = memoryview(data)
        while view:
            count = os.readv(self._replies, [view])
            if not count:
                self._crash()
            view = view[count:]
        return data

    def _said(self):
        """What it has written to its standard error since this was asked before."""
        written = os.fstat(self._errors.fileno()).st_size - self._told
        said = os.pread(self._errors.fileno(), written, self._told)  # its own place stays
        self._told += len(said)
        return said.decode(errors="replace")

    def _crash(self):
        code = self._child.wait()
        said = self._said().strip()
        self.end()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise RuntimeError(
            f"The process of the standalone network {how}; what it knew is lost. "
            + (f"It said:\n{said}" if said else "It said nothing.")
        )


def _end(owner, child, errors, *pipes):
    if os.getpid() != owner:  # a copy of this program, which has not started it
        return
    errors.close()
    for pipe in pipes:
        os.close(pipe)
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@contextlib.contextmanager
def _uninterrupted():
    """Ctrl-C waits until a command and its reply are whole."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is None:
        yield
        return
    came = []
    before = signal.signal(signal.SIGINT, lambda *about: came.append(about))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came and callable(before):
            before(*came[0])
