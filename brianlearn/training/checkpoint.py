"""`Checkpoint`: a training's state in a file, and what it must agree with to be resumed."""

import json
from pathlib import Path

from brianlearn import record

__all__ = ["Checkpoint"]


class Checkpoint:
    """A file that holds all that a training goes on from.

    Parameters
    ----------
    path : path
    description : dict
        Named numbers and strings: model, rule, sizes. Only a training that agrees in all of them
        can go on from the file.
    names : dict of str to str
        Under which name each object of the network is kept.
    """

    def __init__(self, path, description: dict, names: dict):
        self.path = Path(path).with_suffix(".npz")
        if Path(path).is_dir():
            raise IsADirectoryError(f"The checkpoint {path} is a folder, but must be a file.")
        self._names = names
        description = {_renamed(key, names): value for key, value in description.items()}
        self.description = json.loads(json.dumps(description, default=str))

    def save(self, state: dict, histories: dict) -> None:
        """Write state and histories, whole or not at all."""
        arrays = {f"state/{_renamed(name, self._names)}": one for name, one in state.items()}
        for phase, columns in histories.items():
            arrays |= {f"history/{phase}/{name}": column for name, column in columns.items()}
        description = json.dumps(self.description)
        record.save(self.path, compressed=False, **arrays, description=description)

    def load(self) -> tuple[dict, dict]:
        """State and histories, as `save` was given them.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged, or of another training: the message says in which fields.
        """
        arrays = record.load(self.path, "description")
        self._compare(json.loads(str(arrays.pop("description"))))
        own = {kept: name for name, kept in self._names.items()}
        state, histories = {}, {}
        for key, values in arrays.items():
            kind, _, name = key.partition("/")
            if kind == "state":
                state[_renamed(name, own)] = values
            elif kind == "history":
                phase, _, column = name.partition("/")
                histories.setdefault(phase, {})[column] = values
        return state, histories

    def _compare(self, saved):
        differing = [
            f"{name} was {saved.get(name, 'not given')!r} and is "
            f"{self.description.get(name, 'not given')!r}"
            for name in sorted({*saved, *self.description})
            if saved.get(name) != self.description.get(name)
        ]
        if differing:
            raise ValueError(
                f"The checkpoint {self.path} is of another training: {'; '.join(differing)}."
            )


def _renamed(key, names):
    """The key of an object's field, or of its variable, with the object's other name."""
    for separator in "/.":
        name, found, field = key.partition(separator)
        if found and name in names:
            return names[name] + found + field
    return names.get(key, key)
