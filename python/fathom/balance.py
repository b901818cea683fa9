"""Expert-parallel load balancing: which expert lives on which GPU, and which experts get replicas. Needs no GPU.

    plan = fathom.balance.plan(loads, num_replicas=288, num_groups=8, num_nodes=4, num_gpus=32)
    plan.phy2log        # [layers, num_replicas]: the expert in each slot; slot s is on GPU s // (num_replicas // num_gpus)
    plan.report(0)      # maximum and mean load of a GPU, the bound, moves
    plan.transfers(0)   # what has to move from `current`, in rounds

docs/balance.md tells what the two policies do. Tables come back as what `loads` is: torch tensors (on the CPU), NumPy arrays,
or nested lists.
"""

import ctypes
import sys
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from ._errors import InvalidArgumentError
from ._library import check, library

__all__ = ["Plan", "Report", "Transfer", "plan"]

_LIMIT_MOVES = 1
_POLICIES = {"published": 1, "better": 2}


class _Args(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("loads", ctypes.c_void_p),
        ("layers", ctypes.c_int64),
        ("experts", ctypes.c_int64),
        ("num_replicas", ctypes.c_int64),
        ("num_groups", ctypes.c_int64),
        ("num_nodes", ctypes.c_int64),
        ("num_gpus", ctypes.c_int64),
        ("slots_per_gpu", ctypes.c_void_p),
        ("gpu_speed", ctypes.c_void_p),
        ("current", ctypes.c_void_p),
        ("max_moves", ctypes.c_int64),
        ("time_budget_s", ctypes.c_double),
        ("policy", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("flags", ctypes.c_uint64),
    ]


class _Report(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("max_load", ctypes.c_double),
        ("mean_load", ctypes.c_double),
        ("bound", ctypes.c_double),
        ("moves", ctypes.c_int64),
        ("duplicates", ctypes.c_int64),
    ]


class _Links(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t)] + [
        (name, ctypes.c_int64) for name in ("sends_per_gpu", "receives_per_gpu", "sends_per_node", "receives_per_node")]


class _Transfer(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("round", "expert", "from_slot", "to_slot")]


class Report(NamedTuple):
    """How good a layer's placement is."""

    max_load: float  #: of the GPU with the most
    mean_load: float
    bound: float  #: no placement that the call allows has a lower max_load
    moves: int  #: experts that come to a GPU that does not hold them
    duplicates: int  #: slots whose expert stands on the same GPU before


class Transfer(NamedTuple):
    """One expert's weights from a slot to a slot."""

    round: int
    expert: int
    from_slot: int
    to_slot: int


class _Matrix:
    """Numbers of the caller's as one C array, and which kind of table they came in."""

    def __init__(self, values: Any, name: str, number: Any) -> None:
        torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
        type_name = {ctypes.c_float: "float32", ctypes.c_int64: "int64"}[number]
        if torch is not None and isinstance(values, torch.Tensor):
            self.kind = "torch"
            self.keep = values.detach().to(device="cpu", dtype=getattr(torch, type_name)).contiguous()
            self.shape, self.pointer = tuple(self.keep.shape), self.keep.data_ptr()
        elif numpy is not None and isinstance(values, numpy.ndarray):
            self.kind = "numpy"
            self.keep = numpy.ascontiguousarray(values, dtype=type_name)
            self.shape, self.pointer = self.keep.shape, self.keep.ctypes.data
        else:
            self.kind = "list"
            try:
                rows = [list(row) for row in values]
            except TypeError:
                raise InvalidArgumentError(f"balance.plan: {name} is no list of rows; it needs two dimensions, one row for each "
                                           "layer") from None
            if len({len(row) for row in rows}) > 1:
                raise InvalidArgumentError(f"balance.plan: the rows of {name} have different lengths; it needs one per layer, "
                                           "all of one length")
            self.shape = (len(rows), len(rows[0]) if rows else 0)
            self.keep = (number * (self.shape[0] * self.shape[1]))(*[value for row in rows for value in row])
            self.pointer = ctypes.addressof(self.keep)
        if len(self.shape) != 2:
            raise InvalidArgumentError(f"balance.plan: {name} has shape {list(self.shape)}; it needs two dimensions, one row "
                                       "for each layer")


def _table(kind: str, values: Any, shape: Tuple[int, ...], type_name: str) -> Any:
    """A copy of a C array as a table of the caller's kind."""
    if kind == "list":
        return _nested(list(values), shape)
    raw = bytearray(values)
    if kind == "torch":
        torch = sys.modules["torch"]
        return torch.frombuffer(raw, dtype=getattr(torch, type_name)).reshape(shape)
    numpy = sys.modules["numpy"]
    return numpy.frombuffer(raw, dtype=type_name).reshape(shape)


def _nested(values: List[int], shape: Tuple[int, ...]) -> List[Any]:
    if len(shape) == 1:
        return values
    step = len(values) // shape[0]
    return [_nested(values[i * step:(i + 1) * step], shape[1:]) for i in range(shape[0])]


class Plan:
    """Where every expert of every layer lives. Made by plan().

    phy2log: int64 [layers, num_replicas], the expert in each slot. log2phy: int64 [layers, experts, most replicas], the
    slots of each expert, -1 behind the last. logcnt: int64 [layers, experts], how many replicas each has.
    """

    __slots__ = ("_experts", "_gpus", "_handle", "_kind", "_max_count", "log2phy", "logcnt", "phy2log")

    def __init__(self, args: _Args, kind: str) -> None:
        self._handle: Any = None
        handle = ctypes.c_void_p()
        check(library.fathom_balance_plan_create(ctypes.byref(args), ctypes.byref(handle)))
        self._handle = handle
        self._kind, self._experts, self._gpus = kind, args.experts, max(args.num_gpus, 1)
        max_count = ctypes.c_int64()
        check(library.fathom_balance_plan_max_count(handle, ctypes.byref(max_count)))
        self._max_count = max_count.value
        pointers = [ctypes.POINTER(ctypes.c_int64)() for _ in range(3)]
        check(library.fathom_balance_plan_tables(handle, *[ctypes.byref(pointer) for pointer in pointers]))
        shapes = ((args.layers, args.num_replicas), (args.layers, args.experts, self._max_count),
                  (args.layers, args.experts))
        self.phy2log, self.log2phy, self.logcnt = (self._copy(pointer, shape) for pointer, shape in zip(pointers, shapes))

    def _copy(self, pointer: Any, shape: Tuple[int, ...]) -> Any:
        count = 1
        for extent in shape:
            count *= extent
        array = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_int64 * count)).contents
        return _table(self._kind, array, shape, "int64")

    def report(self, layer: int) -> Report:
        """How good the placement of a layer is."""
        report = _Report(struct_size=ctypes.sizeof(_Report))
        check(library.fathom_balance_plan_report(self._handle, layer, ctypes.byref(report)))
        return Report(report.max_load, report.mean_load, report.bound, report.moves, report.duplicates)

    def router_table(self, layer: int) -> Any:
        """int32 [num_gpus, experts, most replicas]: token t that GPU g sends to expert e goes to slot
        table[g][e][t % logcnt[e]]; -1 behind the last. Own GPU first, then own node."""
        shape = (self._gpus, self._experts, self._max_count)
        slots = (ctypes.c_int32 * (shape[0] * shape[1] * shape[2]))()
        check(library.fathom_balance_plan_router_table(self._handle, layer, slots))
        return _table(self._kind, slots, shape, "int32")

    def transfers(self, layer: int, *, sends_per_gpu: int = 1, receives_per_gpu: int = 1, sends_per_node: int = 0,
                  receives_per_node: int = 0) -> List[Transfer]:
        """What the change from `current` has to move, by ascending round; in a round each GPU and node sends and receives at
        most so many experts (0 = no limit for a node)."""
        links = _Links(ctypes.sizeof(_Links), sends_per_gpu, receives_per_gpu, sends_per_node, receives_per_node)
        count = ctypes.c_int64()
        ask = library.fathom_balance_plan_transfers
        check(ask(self._handle, layer, ctypes.byref(links), None, 0, ctypes.byref(count)))
        found = (_Transfer * count.value)()
        check(ask(self._handle, layer, ctypes.byref(links), found, count.value, ctypes.byref(count)))
        return [Transfer(one.round, one.expert, one.from_slot, one.to_slot) for one in found]

    def __del__(self, _destroy: Any = library.fathom_balance_plan_destroy) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None:
            _destroy(handle)


def plan(loads: Any, *, num_replicas: int, num_gpus: int, num_groups: int = 1, num_nodes: int = 1, policy: str = "better",
         slots_per_gpu: Optional[Sequence[int]] = None, gpu_speed: Optional[Sequence[float]] = None, current: Any = None,
         max_moves: Optional[int] = None, time_budget_s: float = 0.04) -> Plan:
    """Plans every layer.

    loads: [layers, experts], how much work each expert gets (finite, none negative); read as float32.
    num_replicas: slots of all GPUs together. num_groups: routing groups. policy: "better", or "published" for the tables of
    DeepSeek's EPLB. slots_per_gpu, gpu_speed: [num_gpus], when they differ. current: [layers, num_replicas], the placement in
    use. max_moves: most experts of a layer that may come to a GPU without them. time_budget_s: seconds; 0 = only the first
    plan of each layer. Returns a Plan; raises ValueError for what cannot be.
    """
    if policy not in _POLICIES:
        raise InvalidArgumentError(f"balance.plan: policy is {policy!r}; it needs one of {', '.join(_POLICIES)}")
    if (slots_per_gpu is not None and len(slots_per_gpu) != num_gpus) or (gpu_speed is not None and len(gpu_speed) != num_gpus):
        raise InvalidArgumentError(f"balance.plan: slots_per_gpu and gpu_speed need one number for each of {num_gpus} GPUs")
    for name, value, least in (("num_replicas", num_replicas, 1), ("num_groups", num_groups, 1), ("num_nodes", num_nodes, 1),
                               ("num_gpus", num_gpus, 1), ("max_moves", max_moves or 0, 0)):
        if not least <= value < 2**63:  # C takes 0 as the default, and ctypes cuts off more bits
            raise InvalidArgumentError(f"balance.plan: {name} is {value}; it needs a whole number from {least} to {2**63 - 1}")
    if not time_budget_s >= 0:
        raise InvalidArgumentError(f"balance.plan: time_budget_s is {time_budget_s}; it needs 0 or more seconds")
    given = _Matrix(loads, "loads", ctypes.c_float)
    args = _Args(struct_size=ctypes.sizeof(_Args), loads=given.pointer, layers=given.shape[0], experts=given.shape[1],
                 num_replicas=num_replicas, num_groups=num_groups, num_nodes=num_nodes, num_gpus=num_gpus,
                 time_budget_s=time_budget_s if time_budget_s > 0 else -1.0, policy=_POLICIES[policy])
    keep: List[Any] = [given]
    if slots_per_gpu is not None:
        slots = (ctypes.c_int64 * num_gpus)(*slots_per_gpu)
        keep.append(slots)
        args.slots_per_gpu = ctypes.addressof(slots)
    if gpu_speed is not None:
        speed = (ctypes.c_double * num_gpus)(*gpu_speed)
        keep.append(speed)
        args.gpu_speed = ctypes.addressof(speed)
    if current is not None:
        placement = _Matrix(current, "current", ctypes.c_int64)
        if placement.shape != (args.layers, num_replicas):
            raise InvalidArgumentError(f"balance.plan: current has shape {list(placement.shape)}; it needs "
                                       f"{[args.layers, num_replicas]}, the expert in each slot of each layer")
        keep.append(placement)
        args.current = placement.pointer
    if max_moves is not None:
        args.max_moves, args.flags = max_moves, _LIMIT_MOVES
    return Plan(args, given.kind)
