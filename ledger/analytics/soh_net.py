"""Read, write and ask a model of the state of health: a few small networks that answer together.

A model is one file, format ``mobilegrid-net-1``:

1. a line of canonical JSON, the `Header`: what it is for, what it was trained on, how good it is;
2. little-endian float32 arrays: means and scales of the inputs, then for each network and layer the
   weights (inputs x outputs, row by row) and the biases.

The model's id is the SHA-256 of the file. Inputs are standardised and cut off at `CUT`; a hidden
unit passes what is above 0 and `LEAK` of what is below; the answer is the mean of the networks.
Sums run in the order of the inputs, so plain Python and numpy give the same bits.
"""

import hashlib
import math
from array import array
from collections.abc import Sequence
from functools import cache
from importlib import import_module, resources
from itertools import pairwise
from sys import byteorder
from types import ModuleType
from typing import Any

import msgspec

from ledger.analytics.soh_features import RAW, names
from ledger.kernel.errors import Malformed, NotFound

FORMAT = "mobilegrid-net-1"
BYTES_MAX = 8 * 1024 * 1024
NETWORKS_MAX = 64
CUT = 4.0
LEAK = 0.05
SPREAD_FLOOR = 0.002
"""Added to the spread of the networks before it scales an interval: 20 bp."""

_HEADER_MAX = 1024 * 1024


class Figures(msgspec.Struct, frozen=True):
    """How good a model was on cells it had not seen; shares in percent, RMSE in points."""

    cells: int
    rows: int
    mape: float
    rmse: float
    worst_cell: float
    coverage: float


class Header(msgspec.Struct, frozen=True):
    """The first line of a model file."""

    format: str
    family: str
    kinds: tuple[str, ...]
    """What else the model tells apart: one input for each, 1 for the cell's own."""
    memories: tuple[float, ...]
    typical: tuple[float, ...]
    """Median of each value of a charge in training, on the models' scale."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Least and greatest value of each in training; beyond them an answer is extrapolated."""
    layers: tuple[int, ...]
    """Width of each layer, inputs first, the single output last."""
    networks: int
    middle: float
    scale: float
    """An answer is ``middle + scale * output``."""
    q95: float
    """An interval reaches ``q95 * (spread + SPREAD_FLOOR)`` to either side."""
    figures: Figures
    seed: int
    library: str
    digests: dict[str, str]
    cells: tuple[str, ...]


class Answer(msgspec.Struct, frozen=True):
    """A state of health as a share of the rated capacity, with its 95 % half width."""

    soh: float
    reach: float


class Model:
    """A model ready to be asked."""

    def __init__(self, header: Header, numbers: "array[float]", model_id: str) -> None:
        """Cut the numbers into layers; `read` has checked their count."""
        self.header = header
        self.model_id = model_id
        width = header.layers[0]
        self.means = numbers[:width].tolist()
        self.scales = numbers[width : 2 * width].tolist()
        self._networks: list[list[tuple[list[list[float]], list[float]]]] = []
        place = 2 * width
        for _ in range(header.networks):
            network = []
            for inputs, outputs in pairwise(header.layers):
                flat = numbers[place : place + inputs * outputs].tolist()
                rows = [flat[row * outputs : (row + 1) * outputs] for row in range(inputs)]
                place += inputs * outputs
                network.append((rows, numbers[place : place + outputs].tolist()))
                place += outputs
            self._networks.append(network)

    def inputs(self, vector: Sequence[float], kind: str) -> list[float]:
        """Add the inputs that tell the kind, and bring all to the scale of the networks."""
        told = [1.0 if kind == each else 0.0 for each in self.header.kinds]
        return [
            min(max((value - mean) / scale, -CUT), CUT)
            for value, mean, scale in zip([*vector, *told], self.means, self.scales, strict=True)
        ]

    def ask(self, inputs: Sequence[float]) -> Answer:
        """Answer one vector made by `inputs`, in plain Python."""
        return self._joined([_output(network, inputs) for network in self._networks])

    def ask_all(self, many: Sequence[Sequence[float]]) -> list[Answer]:
        """Answer many vectors, faster where numpy is installed and the same to the last bit."""
        numpy = _numpy()
        if numpy is None or not many:
            return [self.ask(inputs) for inputs in many]
        block = numpy.array(many, dtype=float)
        outputs = [_outputs(numpy, network, block).tolist() for network in self._networks]
        return [self._joined(row) for row in zip(*outputs, strict=True)]

    def knows(self, values: Sequence[float]) -> bool:
        """Tell whether the values of a charge, on the models' scale, lie where training was."""
        header = self.header
        return all(
            low <= value <= high
            for value, low, high in zip(values, header.low, header.high, strict=True)
        )

    def _joined(self, outputs: Sequence[float]) -> Answer:
        count = len(outputs)
        total = 0.0
        for output in outputs:
            total += output
        middle = total / count
        squares = 0.0
        for output in outputs:
            squares += (output - middle) ** 2
        spread = math.sqrt(squares / count) * self.header.scale
        soh = self.header.middle + self.header.scale * middle
        return Answer(soh, self.header.q95 * (spread + SPREAD_FLOOR))


# Files -----------------------------------------------------------------------------------------


def write(header: Header, numbers: Sequence[float]) -> bytes:
    """Make the bytes of a model file."""
    packed = array("f", numbers)
    if byteorder == "big":
        packed.byteswap()
    line = msgspec.json.encode(header, order="deterministic")
    return line + b"\n" + packed.tobytes()


def read(data: bytes) -> Model:
    """Read a model file.

    Raises:
        Malformed: not this format, too long, or header and numbers do not fit each other.
    """
    if len(data) > BYTES_MAX:
        raise Malformed(f"longer than {BYTES_MAX} bytes", field="model")
    line, found, rest = data.partition(b"\n")
    if not found or len(line) > _HEADER_MAX:
        raise Malformed("no header line", field="model")
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(f"no header of a model: {error}", field="model") from error
    _check(header, len(rest))
    numbers = array("f", rest)
    if byteorder == "big":
        numbers.byteswap()
    if not all(map(math.isfinite, numbers)):
        raise Malformed("a number is not finite", field="model")
    width = header.layers[0]
    if min(numbers[width : 2 * width]) <= 0.0:
        raise Malformed("a scale is not above 0", field="model")
    return Model(header, numbers, hashlib.sha256(data).hexdigest())


@cache
def shipped(family: str) -> Model:
    """Read the model that comes with the program for a family of cells; `NotFound` without one."""
    name = f"{family.lower()}.model"
    if name not in families():
        known = ", ".join(each.removesuffix(".model").upper() for each in families())
        raise NotFound(f"there is no model for cells of {family[:40]}; there are {known}")
    return read(resources.files("ledger.analytics").joinpath("models", name).read_bytes())


def families() -> tuple[str, ...]:
    """List the files of the models that come with the program."""
    folder = resources.files("ledger.analytics").joinpath("models")
    return tuple(sorted(each.name for each in folder.iterdir() if each.name.endswith(".model")))


def _check(header: Header, bytes_found: int) -> None:
    layers = header.layers
    if header.format != FORMAT:
        raise Malformed(f"not {FORMAT}", field="format")
    _, *outputs = layers or (0,)
    if outputs[-1:] != [1] or min(layers) < 1 or not 1 <= header.networks <= NETWORKS_MAX:
        raise Malformed("no shape of a network", field="layers")
    values = {len(each) for each in (header.typical, header.low, header.high)}
    if values != {len(RAW)} or layers[0] != len(names(header.memories)) + len(header.kinds):
        raise Malformed("inputs that charges do not give", field="layers")
    if not header.memories or min(header.memories) <= 0.0:
        raise Malformed("not above 0", field="memories")
    weights = sum(a * b + b for a, b in pairwise(layers))
    numbers = 2 * layers[0] + header.networks * weights
    if bytes_found != 4 * numbers:
        rule = f"{4 * numbers} bytes of numbers expected, {bytes_found} found"
        raise Malformed(rule, field="model")


# Evaluation ------------------------------------------------------------------------------------

_Network = list[tuple[list[list[float]], list[float]]]


def _output(network: _Network, inputs: Sequence[float]) -> float:
    values = list(inputs)
    last = len(network) - 1
    for depth, (rows, biases) in enumerate(network):
        sums = biases
        for value, row in zip(values, rows, strict=True):
            sums = [total + value * weight for total, weight in zip(sums, row, strict=True)]
        values = sums if depth == last else [one if one > 0.0 else LEAK * one for one in sums]
    return values[0]


def _outputs(numpy: ModuleType, network: _Network, block: Any) -> Any:
    values = block.T.copy()
    last = len(network) - 1
    for depth, (rows, biases) in enumerate(network):
        sums = numpy.repeat(numpy.array(biases)[:, None], values.shape[1], axis=1)
        for value, row in zip(values, rows, strict=True):
            sums += numpy.array(row)[:, None] * value
        values = sums if depth == last else numpy.where(sums > 0.0, sums, LEAK * sums)
    return values[0]


def _numpy() -> ModuleType | None:
    try:
        return import_module("numpy")
    except ImportError:
        return None
