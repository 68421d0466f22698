"""What a running `EProp` is: kernels, the connections that learn, and the state they go on from."""

import contextlib
import hashlib
from dataclasses import dataclass, fields

import numpy as np
from brian2.core.variables import ArrayVariable

from brianlearn import record

__all__ = ["EPropLearner", "Plastic"]


@dataclass(frozen=True, eq=False)
class Plastic:
    """A connection that learns: where its weights and gradient lie, and what optimizes them.

    Attributes
    ----------
    connection : Projection or EligibilitySynapses
    weights, gradient : (group, variable)
    optimizer : Kernel
    state : dict
        ``(group, variable)`` of all that learning goes on from, by name.
    """

    connection: object
    weights: tuple
    gradient: tuple
    optimizer: object
    state: dict

    @classmethod
    def of(cls, connection, gradient, rule, trials, scale, name) -> "Plastic":
        """Make the optimizer of a connection."""
        dense = getattr(connection, "is_dense", False)
        mask = connection.mask if dense else np.ones(connection.mask.sum(), dtype=bool)
        weights = (connection, "weights" if "weights" in connection.variables else "w")
        optimizer = rule.optimizer.attach(
            trials, rule.trials_per_update, scale, mask, gradient, weights,
            f"{name}_{connection.name}_optimizer",
        )  # fmt: skip
        state = {"weights": weights, "gradient": gradient}
        state |= {variable: (optimizer, variable) for variable in rule.optimizer.state}
        return cls(connection, weights, gradient, optimizer, state)

    def matrix(self, values=None) -> np.ndarray:
        """Weights as sources x targets: the connection's own, or those that lie in ``values``."""
        if values is None:
            return np.asarray(self.connection.matrix)
        mask = self.connection.mask
        if len(values) == mask.size:
            return np.where(mask, values.reshape(mask.shape), 0)
        matrix = np.zeros(mask.shape)
        matrix[mask] = values[: mask.sum()]  # of Synapses, the first sample's copy
        return matrix


class EPropLearner:
    """A running `EProp`; made by `EProp.attach`.

    Attributes
    ----------
    rule : EProp
    trials : Trials
    readout : NeuronGroup
    loss, accuracy : float
        Of the last trial: the mean over the batch, and the fraction of samples whose readout with
        the largest mean output in the window is the one with the largest mean target.
    plastic : dict of str to Plastic
        The connections that learn, by name.
    learning_rate : float
        Of all connections; can be set between runs (0: nothing changes).
    """

    def __init__(self, rule, trials, readout, kernels, plastic):
        self.rule, self.trials, self.readout = rule, trials, readout
        self.loss_kernel = kernels[0]
        self.plastic = {item.connection.name: item for item in plastic}
        for item in plastic:
            item.connection.add_attribute("learner")
            item.connection.learner = self
        trials.contained_objects.extend([*kernels, *(item.optimizer for item in plastic)])

    @property
    def loss(self) -> float:
        """Of the last trial."""
        return float(self.loss_kernel.variables["loss"].get_value().item())

    @property
    def accuracy(self) -> float:
        """Of the last trial."""
        return float(self.loss_kernel.variables["accuracy"].get_value().item())

    @property
    def learning_rate(self) -> float:
        """Of all connections."""
        rates = [item.optimizer.variables["learning_rate"] for item in self.plastic.values()]
        return float(rates[0].get_value().item())

    @learning_rate.setter
    def learning_rate(self, value: float):
        self.rule.optimizer.check_rate(value)
        for item in self.plastic.values():
            item.optimizer.variables["learning_rate"].set_value(float(value))

    def save(self, path, weights: dict | None = None) -> None:
        """Write the weights of all connections to a ``.npz`` file, as sources x targets.

        Parameters
        ----------
        path : path
        weights : dict of arrays, optional
            Those of `Training.weights`; by default the network's own after its last run.
        """
        if weights is None:
            weights = {name: item.matrix() for name, item in self.plastic.items()}
        record.save(path, **weights)

    def load(self, path) -> None:
        """Set the weights to what `save` wrote; in standalone mode, before the first run.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, it is damaged, or its weights do not fit the connections.
        """
        saved = record.load(path, *self.plastic)
        for name in self.plastic:
            self.rule.optimizer.check(saved[name], f"{path}: {name}")
        for name, item in self.plastic.items():
            item.connection.set_matrix(saved[name])

    @property
    def state(self) -> dict:
        """``(group, variable)`` of all that learning goes on from, by name."""
        return {
            f"{name}.{key}": where
            for name, item in self.plastic.items()
            for key, where in item.state.items()
        }

    def description(self) -> dict:
        """What a checkpoint must agree with: the rule, sizes, and the constants of all groups."""
        groups = {self.readout.name: self.readout}
        for item in self.plastic.values():
            for group in (item.connection.source, item.connection.target):
                groups[group.name] = group
        rule = {field.name: str(getattr(self.rule, field.name)) for field in fields(self.rule)}
        sizes = {name: list(item.connection.shape) for name, item in self.plastic.items()}
        masks = {
            f"{name}.mask": _digest(item.connection.mask) for name, item in self.plastic.items()
        }
        models = {
            f"{name}.model": _digest(f"{group.equations}{group.state_updater.method_choice}")
            for name, group in groups.items()
            if hasattr(group, "equations")
        }
        constants = {
            f"{name}.{key}": str(value)
            for name, group in groups.items()
            for key, value in (group.namespace or {}).items()
        }
        trial = {"steps": self.trials.steps_per_trial, "samples": self.trials.samples}
        for name, group in groups.items():
            constants |= {f"{name}.{key}": digest for key, digest in _arrays(group)}
        return rule | trial | sizes | masks | models | constants | {"dt": str(self.trials.clock.dt)}


def _digest(values) -> str:
    """A short name of an array or a text."""
    data = values.encode() if isinstance(values, str) else np.ascontiguousarray(values).tobytes()
    return f"sha256 {hashlib.sha256(data).hexdigest()[:12]}"


def _arrays(group):
    """The constants that each neuron has of its own, where their values are known."""
    for name, variable in group.variables.items():
        if isinstance(variable, ArrayVariable) and variable.constant and not variable.read_only:
            with contextlib.suppress(NotImplementedError):  # set by an expression, in standalone
                yield name, _digest(variable.get_value())
