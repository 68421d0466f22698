"""The floor of runtime mode is Brian2's loop; this takes the layers of calls out of each object."""

import contextlib
from functools import partial

from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.core.base import BrianObject

__all__ = ["shortcut"]


@contextlib.contextmanager
def shortcut(network):
    """While the context lasts, objects of ``network`` call their Cython code without detours.

    Between Brian2's loop and a module of compiled code lie four Python calls that prepare what
    does not change during a run: a third of the time of a small network.
    """
    guide = _Guide(network)
    network.add(guide)
    try:
        yield
    finally:
        guide.leave()
        network.remove(guide)


def _check_compiled(name, codes):
    """Refuse what Cython rejected: Brian2 drops such code, and runs on without it."""
    for code in codes:
        if isinstance(code, CythonCodeObject) and code.compiled_code["run"] is None:
            raise RuntimeError(f"Cython could not compile '{name}'.")


def _is_direct(code) -> bool:
    """Whether nothing but its compiled code is needed in a time step."""
    return isinstance(code, CythonCodeObject) and not code.nonconstant_values


def _call_all(calls):
    """As Brian2 does: a synaptic pathway takes spikes up, then lets them act."""
    for call in calls:
        call()


class _Guide(BrianObject):
    """Prepared after all other objects, when their code exists; then it steps aside."""

    add_to_magic_network = False

    def __init__(self, network):
        clock = next(iter(network.sorted_objects)).clock
        super().__init__(
            clock=clock, when="after_end", order=10**6, name=f"{network.name}_shortcut"
        )
        self.network, self.guided = network, []

    def before_run(self, run_namespace):
        super().before_run(run_namespace)
        self.leave()
        for item in self.network.sorted_objects:
            codes = item.code_objects
            _check_compiled(item.name, codes)
            if codes and type(item).run is BrianObject.run and all(map(_is_direct, codes)):
                calls = [partial(code.compiled_code["run"].main, code.namespace) for code in codes]
                run = calls[0] if len(calls) == 1 else partial(_call_all, calls)
                object.__setattr__(item, "run", run)
                self.guided.append(item)

    def run(self):
        """There is nothing to do in a time step."""

    def leave(self):
        """Give every object its own way back."""
        for item in self.guided:
            del item.__dict__["run"]
        self.guided.clear()
