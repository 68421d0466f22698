"""All that a network goes on from, as named arrays: what a checkpoint holds.

Brian2's own list of states, which is that of `Network.store`, with the spikes under way and the
random numbers in a form that files and the standalone process take, too.
"""

import ctypes
import re

import numpy as np
from brian2.codegen.generators.cython_generator import _BUFFER_SIZE
from brian2.core.network import Network
from brian2.core.variables import ArrayVariable, DynamicArrayVariable
from brian2.devices.device import get_device
from brian2.groups.group import VariableOwner
from brian2.synapses.synapses import SynapticPathway

from brianlearn.kernel import Kernel
from brianlearn.running.device import LivingDevice

__all__ = ["canonical_names", "network_state", "set_network_state"]

_QUEUE, _RANDOM, _TIME = "_spikequeue", "0_random", "0_t"  # an object's name begins with a letter


def network_state(network: Network, *, records: bool = True) -> dict[str, np.ndarray]:
    """Copies of all arrays, the spikes under way, the time, and the state of random numbers.

    The names are ``object/variable``. With ``records``, what each `Recorder` has written, too.
    """
    state = {_TIME: np.array(network.t_)}
    for item in _owners(network):
        for name in _arrays(item):
            state[f"{item.name}/{name}"] = np.array(item.variables[name].get_value())
        if isinstance(item, SynapticPathway):
            state[f"{item.name}/{_QUEUE}"] = _read_queue(item)
        if records and hasattr(item, "further_state"):
            state |= {f"{item.name}/{key}": one for key, one in item.further_state().items()}
    return state | {f"{_RANDOM}/{key}": one for key, one in _read_random().items()}


def set_network_state(network: Network, state: dict, *, records: bool = True) -> None:
    """Let a network go on from what `network_state` gave, here or in another process.

    Raises
    ------
    ValueError
        If an object or a variable has no value in it, or the other way round, or it was saved on
        another kind of target; then nothing was set.
    """
    _check_random(state)
    owners, names = _owners(network), network_state(network, records=records).keys()
    if differing := sorted({*state} ^ {*names}):
        raise ValueError(
            f"The state that was saved is of another network: {', '.join(differing[:5])} "
            f"{'and more ' * (len(differing) > 5)}in one of both alone."
        )
    for item in owners:
        for name in _arrays(item):
            _check_size(item.variables[name], state[f"{item.name}/{name}"])
    for item in owners:
        for name in _arrays(item):
            _set(item.variables[name], state[f"{item.name}/{name}"])
        if records and hasattr(item, "further_state"):
            keys = item.further_state()
            item.set_further_state({key: state[f"{item.name}/{key}"] for key in keys})
    device = get_device()
    if isinstance(device, LivingDevice):
        device.prepare_queues()
    for item in owners:
        if isinstance(item, SynapticPathway):
            _write_queue(item, state[f"{item.name}/{_QUEUE}"])
    _write_random(state)
    network.t_ = float(state[_TIME])


def canonical_names(network: Network) -> dict[str, str]:
    """For each object, a name that is the same when the script is run again in one process.

    Brian2 counts the names that it gives itself (``eprop_lif_1``) over all objects that still
    exist. Where only one object of a network has such a name, the number says nothing.
    """
    names = {item.name for item in _owners(network)}
    plain = {}
    for name in names:
        plain.setdefault(re.sub(r"_\d+$", "", name), []).append(name)
    renamed = {same[0]: base for base, same in plain.items() if len(same) == 1 and same[0] != base}
    parts = sorted(renamed, key=len, reverse=True)
    pattern = re.compile(rf"(?<![a-zA-Z0-9])({'|'.join(map(re.escape, parts))})(?![a-zA-Z0-9])")
    short = {
        name: pattern.sub(lambda found: renamed[found[1]], name) if parts else name
        for name in names
    }
    return short if len({*short.values()}) == len(names) else {name: name for name in names}


def _owners(network):
    """The objects that hold variables, and the clocks, in the order of their names."""
    items = [item for item in network.sorted_objects if isinstance(item, VariableOwner)]
    clocks = {item.clock for item in network.sorted_objects}
    return sorted([*items, *clocks], key=lambda item: item.name)


def _arrays(item) -> list[str]:
    """The names of an object's own arrays, but for those that say where something lies."""
    passing = item.passing if isinstance(item, Kernel) else ()
    own = {
        name
        for name, variable in item.variables.items()
        if isinstance(variable, ArrayVariable)
        and variable.owner is not None
        and variable.owner.name == item.name
        and variable.name == name
    }
    if isinstance(item, SynapticPathway):
        own.add("delay")  # which is nobody's own
    return sorted(own.difference(passing))


def _check_size(variable, values):
    here = np.shape(variable.get_value())
    if not isinstance(variable, DynamicArrayVariable) and values.shape != here:
        raise ValueError(
            f"'{variable.name}' of '{variable.owner.name}' was saved with shape {values.shape}, "
            f"but has {here}."
        )


def _set(variable, values):
    device = get_device()
    if isinstance(device, LivingDevice):
        device.write(variable, values)
        return
    if isinstance(variable, DynamicArrayVariable):
        variable.resize(values.shape if values.ndim == 2 else len(values))
    variable.set_value(values)


def _read_queue(pathway) -> np.ndarray:
    """For each queue its number of slots; then, from the present one on, each slot's spikes."""
    device = get_device()
    if isinstance(device, LivingDevice):
        data = device.process.read_bytes("READ_QUEUE", device.pathways.index(pathway.name), 4)
        return np.frombuffer(data, dtype=np.int32)
    if pathway.queue is None:
        return np.array([1, 0], dtype=np.int32)
    offset, slots = pathway.queue._full_state()
    slots = [*slots[offset:], *slots[:offset]]
    parts = [[len(slots)], *(part for slot in slots for part in ([len(slot)], slot))]
    return np.concatenate(parts).astype(np.int32)


def _write_queue(pathway, data):
    device = get_device()
    if isinstance(device, LivingDevice):
        place = device.pathways.index(pathway.name)
        device.process.tell("WRITE_QUEUE", place, len(data), data=data.astype(np.int32).tobytes())
        return
    if pathway.queue is None:
        pathway.queue = device.spike_queue(pathway.source.start, pathway.source.stop)
    slots, place = [], 1
    for _ in range(data[0]):
        slots.append(data[place + 1 : place + 1 + data[place]].tolist())
        place += 1 + data[place]
    pathway.queue._restore_from_full_state((0, slots))


def _read_random() -> dict[str, np.ndarray]:
    device = get_device()
    if isinstance(device, LivingDevice):
        data = device.process.read_bytes("READ_RANDOM")
        return {"standalone": np.frombuffer(data, dtype=np.uint8)}
    _, keys, position, has_gauss, gauss = np.random.get_state()
    numbers = {"position": position, "has_gauss": has_gauss, "gauss": gauss}
    for kind in ("rand", "randn"):
        numbers[f"{kind}_index"] = getattr(device, f"{kind}_buffer_index")[0]
        numbers[f"{kind}_drawn"] = _drawn_ahead(device, kind)
    return {"keys": keys} | {key: np.array(one) for key, one in numbers.items()}


def _drawn_ahead(device, kind, fill=False) -> np.ndarray:
    """The numbers that Cython code has drawn ahead, themselves; empty if there are none.

    In Brian2 2.9 and 2.10, the device holds no more than the address of their memory, which the
    code frees when it has used them up.
    """
    held = getattr(device, f"{kind}_buffer")
    if held.dtype == np.float64:
        return held
    if fill and not held[0]:
        allocate = ctypes.CDLL(None).malloc
        allocate.restype, allocate.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        held[0] = allocate(8 * _BUFFER_SIZE)
    if not held[0]:
        return np.empty(0)
    return np.ctypeslib.as_array((ctypes.c_double * _BUFFER_SIZE).from_address(int(held[0])))


def _random_numbers(state):
    return {key.partition("/")[2]: a for key, a in state.items() if key.startswith(_RANDOM)}


def _check_random(state):
    living = isinstance(get_device(), LivingDevice)
    if living != ("standalone" in _random_numbers(state)):
        raise ValueError(
            "The state was saved " + ("at runtime" if living else "in C++ standalone mode")
            + ", whose random numbers cannot go on here: resume it on the target that saved it."
        )  # fmt: skip


def _write_random(state):
    device, found = get_device(), _random_numbers(state)
    if isinstance(device, LivingDevice):
        data = found["standalone"].tobytes()
        device.process.tell("WRITE_RANDOM", 0, len(data), data=data)
        return
    numbers = (found[key][()] for key in ("position", "has_gauss", "gauss"))
    np.random.set_state(("MT19937", found["keys"], *numbers))
    for kind in ("rand", "randn"):
        index, drawn = found[f"{kind}_index"], found[f"{kind}_drawn"]
        if index:  # else all are used up
            _drawn_ahead(device, kind, fill=True)[:] = drawn
        getattr(device, f"{kind}_buffer_index")[:] = index
