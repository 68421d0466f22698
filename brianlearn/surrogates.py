"""Surrogate gradients: what stands for the derivative of a spike, as text in Brian2's language.

Each is a function of the distance ``d`` of the membrane from threshold, with a height H and a
width W, as in NEST 3.10. A surrogate of your own is an expression::

    Surrogate("height*exp(-(d/width)**2)")
"""

from dataclasses import dataclass

from brian2.utils.stringtools import get_identifiers, word_substitute

__all__ = [
    "Surrogate",
    "arctan_derivative",
    "exponential",
    "fast_sigmoid_derivative",
    "piecewise_linear",
]


@dataclass(frozen=True)
class Surrogate:
    """The expression of a surrogate gradient, in terms of ``d``, ``height`` and ``width``.

    Parameters
    ----------
    expression : str
        With ``d`` for the distance from threshold; ``height`` and ``width`` are parameters of the
        neuron (``psi_height`` and ``psi_width`` in our templates).
    citation : str
        Where it was proposed.

    Raises
    ------
    TypeError
        If it is no text.
    ValueError
        If the expression does not depend on ``d``.

    Examples
    --------
    >>> piecewise_linear.of("v - v_th")
    'psi_height*clip(1 - abs((v - v_th))/psi_width, 0, inf)'
    >>> triangle = Surrogate("height*clip(1 - abs(d), 0, 1)")
    """

    expression: str
    citation: str = ""

    def __post_init__(self):
        if not isinstance(self.expression, str):
            raise TypeError(f"The surrogate is {self.expression!r}, but must be an expression.")
        if "d" not in get_identifiers(self.expression):
            raise ValueError(
                f"The surrogate '{self.expression}' does not depend on d, the distance of the "
                "membrane from threshold."
            )

    def of(self, distance: str, height: str = "psi_height", width: str = "psi_width") -> str:
        """The expression with the model's own words: a fragment for its equations."""
        names = {"d": f"({distance})", "height": height, "width": width}
        return word_substitute(self.expression, names)


piecewise_linear = Surrogate(
    "height*clip(1 - abs(d)/width, 0, inf)",
    "Bellec et al. (2020). Nature Communications 11:3625. doi:10.1038/s41467-020-17236-y",
)
exponential = Surrogate(
    "height*exp(-abs(d)/width)",
    "Shrestha and Orchard (2018). SLAYER. Advances in Neural Information Processing Systems 31",
)
fast_sigmoid_derivative = Surrogate(
    "height*(1 + abs(d)/width)**-2",
    "Zenke and Ganguli (2018). SuperSpike. Neural Computation 30:1514. doi:10.1162/neco_a_01086",
)
arctan_derivative = Surrogate(
    "height/(1 + (d/width)**2)",
    "Fang et al. (2021). IEEE/CVF International Conference on Computer Vision, 2661",
)
