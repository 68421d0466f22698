"""What a running `EProp` is: kernels, the connections that learn, and the state they go on from."""

import contextlib
import hashlib
from dataclasses import dataclass, fields, replace

import numpy as np
from brian2.core.variables import ArrayVariable
from brian2.units.allunits import second

from brianlearn import record
from brianlearn.checks import real_numbers
from brianlearn.optimizers import Optimizer

__all__ = ["EPropLearner", "Plastic"]


@dataclass(frozen=True, eq=False)
class Plastic:
    """What learns of a connection, its weights or its delays: where they lie, what optimizes them.

    Attributes
    ----------
    name : str
        The connection's; of delays, followed by ``.delays``.
    connection : Projection, Graded or EligibilitySynapses
    weights, gradient : (group, variable)
        Of weights, or of delays in time steps.
    optimizer : Kernel
    state : dict
        ``(group, variable)`` of all that learning goes on from, by name.
    """

    name: str
    connection: object
    weights: tuple
    gradient: tuple
    optimizer: object
    state: dict

    @classmethod
    def of_weights(cls, connection, gradient, rule, trials, scale, name) -> "Plastic":
        """Make the optimizer of a connection's weights."""
        dense = getattr(connection, "is_dense", False)
        mask = connection.mask if dense else np.ones(connection.mask.sum(), dtype=bool)
        weights = (connection, "weights" if "weights" in connection.variables else "w")
        optimizer = rule.optimizer.attach(
            trials, rule.trials_per_update, scale, mask, gradient, weights,
            f"{name}_{connection.name}_optimizer",
        )  # fmt: skip
        state = _state("weights", weights, gradient, optimizer, rule.optimizer)
        return cls(connection.name, connection, weights, gradient, optimizer, state)

    @classmethod
    def of_delays(cls, connection, gradient, rule, trials, scale, name) -> "Plastic":
        """Make the optimizer of a connection's delays."""
        layout = connection.layout
        wanted = rule.delay_optimizer
        upper = layout.maximum if wanted.upper == Optimizer.upper else wanted.upper
        bounds = {"lower": max(0.0, wanted.lower), "upper": float(min(upper, layout.maximum))}
        wanted = replace(wanted, **bounds)
        wanted.check(connection.present_delay_steps, f"{connection.name}.delays")
        delays = (connection, "delay_steps")
        optimizer = wanted.attach(
            trials, rule.trials_per_update, scale, np.ones(layout.steps.size, dtype=bool), gradient,
            delays, f"{name}_{connection.name}_delay_optimizer",
        )  # fmt: skip
        state = _state("steps", delays, gradient, optimizer, wanted)
        return cls(f"{connection.name}.delays", connection, delays, gradient, optimizer, state)

    @property
    def is_delays(self) -> bool:
        """Whether delays learn, not weights."""
        return self.weights[1] == "delay_steps"

    def matrix(self) -> np.ndarray:
        """Weights, or delays in time steps, as sources x targets (1 where delays are shared)."""
        if self.is_delays:
            steps = np.asarray(self.connection.delay_steps)
            return self.connection.layout.matrix(steps, self.connection.mask)
        return np.asarray(self.connection.matrix)

    def as_matrix(self, values: np.ndarray) -> np.ndarray:
        """Weights, or their gradients, as they are stored, as sources x targets."""
        mask = self.connection.mask
        if getattr(self.connection, "is_dense", False):
            return np.where(mask, values.reshape(mask.shape), 0)
        matrix = np.zeros(mask.shape)
        matrix[mask] = values[: mask.sum()]  # of Synapses, the first sample's copy
        return matrix

    def set_matrix(self, values) -> None:
        """The opposite of `matrix`, for weights or delays that were saved."""
        if self.is_delays:
            self.connection.set_delay_steps(values)
        else:
            self.connection.set_matrix(values)


def _state(of, where, gradient, optimizer, kind):
    return {of: where, "gradient": gradient} | {name: (optimizer, name) for name in kind.state}


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
        What learns: the weights of connections by their names, delays as ``"name.delays"``.
    learning_rate, delay_learning_rate : float
        Of all weights, and of all delays (in time steps, for Adam); can be set between runs (0:
        nothing changes).
    """

    def __init__(self, rule, trials, readout, connections, kernels, plastic, state):
        self.connections, self._further_state = connections, state
        self.rule, self.trials, self.readout = rule, trials, readout
        self.loss_kernel = kernels[0]
        self.plastic = {item.name: item for item in plastic}
        for item in plastic:
            if not hasattr(item.connection, "learner"):
                item.connection.add_attribute("learner")
            item.connection.learner = self
        trials.contained_objects.extend([*kernels, *(item.optimizer for item in plastic)])

    @property
    def groups(self) -> list:
        """The groups whose steps the gradient passes: neurons and readouts, each once."""
        targets = {connection.target.name: connection.target for connection in self.connections}
        return [*targets.values()]

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
        """Of all weights."""
        return self._rate(delays=False)

    @learning_rate.setter
    def learning_rate(self, value: float):
        self._set_rate(value, delays=False)

    @property
    def delay_learning_rate(self) -> float:
        """Of all delays."""
        return self._rate(delays=True)

    @delay_learning_rate.setter
    def delay_learning_rate(self, value: float):
        self._set_rate(value, delays=True)

    def optimizers(self, *, delays: bool) -> list:
        """The kernels that change weights, or delays."""
        chosen = [i.optimizer for i in self.plastic.values() if i.is_delays == delays]
        if not chosen:
            hint = "" if delays else "; delays have a learning rate of their own (delays=True)"
            raise ValueError(f"No {'delays' if delays else 'weights'} learn in this network{hint}.")
        return chosen

    def _rate(self, delays):
        rate = self.optimizers(delays=delays)[0].variables["learning_rate"]
        return float(rate.get_value().item())

    def _set_rate(self, value, delays):
        self.rule.optimizer.check_rate(value)
        for optimizer in self.optimizers(delays=delays):
            optimizer.variables["learning_rate"].set_value(float(value))

    def weights(self) -> dict[str, np.ndarray]:
        """What learns, as sources x targets: weights, and delays (name.delays) in time steps."""
        return {name: item.matrix() for name, item in self.plastic.items()}

    def save(self, path, weights: dict | None = None) -> None:
        """Write what learns to a ``.npz`` file, as sources x targets; delays in time steps.

        Parameters
        ----------
        path : path
        weights : dict of arrays, optional
            Such as those of an earlier moment; by default what the network has learned.
        """
        if weights is None:
            weights = self.weights()
        record.save(path, **weights, dt=float(self.trials.clock.dt))

    def load(self, path) -> None:
        """Set the weights (and delays) to what `save` wrote.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, it is damaged, or its weights do not fit the connections.
        """
        delays = [name for name, item in self.plastic.items() if item.is_delays]
        saved = record.load(path, *self.plastic, *(["dt"] if delays else []))
        if unused := saved.keys() - {*self.plastic, "dt"}:
            raise ValueError(
                f"{path} also holds {', '.join(sorted(unused))}, which nothing here would take: "
                "let the rule learn them (with learning rate 0, if they are to stay)."
            )
        if delays and saved["dt"] != float(self.trials.clock.dt):
            raise ValueError(
                f"{path} counts delays in time steps of {saved['dt'] * second}, but the time step "
                f"is {self.trials.clock.dt}."
            )
        for name in self.plastic.keys() - delays:
            mask = self.plastic[name].connection.mask
            values = real_numbers(saved[name], f"{path}: {name}", shape=mask.shape)
            self.rule.optimizer.check(values[mask], f"{path}: {name}")
        for name, item in self.plastic.items():
            item.set_matrix(saved[name])

    @property
    def state(self) -> dict:
        """``(group, variable)`` of all that learning goes on from, by name."""
        of_loss = {f"loss.{key}": (self.loss_kernel, key) for key in self.rule.loss.state}
        return (
            of_loss
            | self._further_state
            | {
                f"{name}.{key}": where
                for name, item in self.plastic.items()
                for key, where in item.state.items()
            }
        )

    def description(self) -> dict:
        """What a checkpoint must agree with: the rule, sizes, and the constants of all groups."""
        groups = {self.readout.name: self.readout}
        for connection in self.connections:
            for group in (connection.source, connection.target):
                groups[group.name] = group
        rule = {field.name: str(getattr(self.rule, field.name)) for field in fields(self.rule)}
        connections = {connection.name: connection for connection in self.connections}
        sizes = {name: list(connection.shape) for name, connection in connections.items()}
        masks = {f"{name}.mask": _digest(one.mask) for name, one in connections.items()}
        for name, one in connections.items():
            if one.layout is not None:
                masks[f"{name}.max_delay"] = str(one.layout.maximum * self.trials.clock.dt)
                masks[f"{name}.interpolates"] = str(one.layout.interpolates)
                masks[f"{name}.delays"] = str(one.layout.shape)
            weights, delays = self.rule.learns(one)
            if not weights:
                masks[f"{name}.fixed_weights"] = _digest(np.asarray(one.matrix))
            if one.layout is not None and not delays:
                masks[f"{name}.fixed_delays"] = _digest(one.present_delay_steps)
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
        if self.trials.teacher is not None:
            group, variable = self.trials.teacher
            trial["target"] = f"{variable} of a {type(group).__name__} of {len(group)}"
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
