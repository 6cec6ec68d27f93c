"""Model files: what is read is what was written, and two ways of asking agree to the bit."""

from array import array
from random import Random  # noqa: TID251 - seeded below

import msgspec
import pytest

from ledger.analytics import soh_net
from ledger.analytics.soh_features import RAW, names
from ledger.analytics.soh_net import Figures, Header, read, write
from ledger.kernel.errors import Malformed, NotFound

MEMORIES = (8.0, 30.0)
KINDS = ("new", "old")
WIDTH = len(names(MEMORIES)) + len(KINDS)


def header(**changed) -> Header:
    made = Header(
        format="mobilegrid-net-1",
        family="XJTU",
        kinds=KINDS,
        memories=MEMORIES,
        typical=(0.0,) * len(RAW),
        low=(-1.0,) * len(RAW),
        high=(1.0,) * len(RAW),
        layers=(WIDTH, 5, 3, 1),
        networks=3,
        middle=0.9,
        scale=0.05,
        q95=2.0,
        figures=Figures(10, 100, 1.0, 1.5, 3.0, 95.0),
        seed=1,
        library="by hand",
        digests={},
        cells=("A",),
    )
    return msgspec.structs.replace(made, **changed)


def numbers(seed: int = 1) -> list[float]:
    chance = Random(seed)
    weights = WIDTH * 5 + 5 + 5 * 3 + 3 + 3 + 1
    scales = [chance.uniform(0.5, 2.0) for _ in range(WIDTH)]
    rest = [chance.gauss(0.0, 0.5) for _ in range(3 * weights)]
    return [chance.gauss(0.0, 1.0) for _ in range(WIDTH)] + scales + rest


def vectors(count: int, seed: int = 2) -> list[list[float]]:
    chance = Random(seed)
    return [[chance.gauss(0.0, 3.0) for _ in range(WIDTH - 2)] for _ in range(count)]


def test_a_model_reads_back_as_it_was_written():
    data = write(header(), numbers())
    model = read(data)
    assert model.header == header()
    assert write(model.header, array("f", numbers())) == data
    assert len(model.model_id) == 64


def test_plain_python_and_numpy_give_the_same_bits():
    pytest.importorskip("numpy")
    model = read(write(header(), numbers()))
    inputs = [model.inputs(each, KINDS[n % 2]) for n, each in enumerate(vectors(200))]
    assert model.ask_all(inputs) == [model.ask(each) for each in inputs]


def test_without_numpy_many_are_answered_one_by_one(monkeypatch):
    model = read(write(header(), numbers()))
    inputs = [model.inputs(each, "new") for each in vectors(5)]
    with_numpy = model.ask_all(inputs)
    monkeypatch.setitem(__import__("sys").modules, "numpy", None)
    assert model.ask_all(inputs) == with_numpy


def test_a_small_network_is_worked_out_by_hand():
    small = header(layers=(WIDTH, 2, 1), networks=1, middle=0.5, scale=0.1)
    first = [0.0] * (2 * WIDTH)
    first[0], first[1] = 1.0, -1.0  # the first input, to one unit and turned round to the other
    made = [0.0] * WIDTH + [1.0] * WIDTH + first + [0.5, 0.0] + [2.0, 4.0] + [1.0]
    model = read(write(small, made))
    inputs = model.inputs([3.0, *(0.0,) * (WIDTH - 3)], "new")
    units = (3.5, 0.05 * -3.0)
    assert model.ask(inputs).soh == pytest.approx(0.5 + 0.1 * (2 * units[0] + 4 * units[1] + 1))
    assert model.ask(inputs).reach == pytest.approx(2.0 * 0.002)


def test_inputs_are_cut_off_and_tell_the_kind():
    plain = [0.0] * WIDTH + [1.0] * WIDTH + numbers()[2 * WIDTH :]
    model = read(write(header(), plain))
    inputs = model.inputs([1e9, -1e9, *(0.5,) * (WIDTH - 4)], "old")
    assert inputs[:3] == [soh_net.CUT, -soh_net.CUT, 0.5]
    assert inputs[-2:] == [0.0, 1.0]
    assert model.inputs(vectors(1)[0], "never seen")[-2:] == [0.0, 0.0]


def test_networks_that_differ_widen_the_interval():
    model = read(write(header(), numbers()))
    calm = read(write(header(scale=1e-6), numbers()))
    inputs = model.inputs(vectors(1)[0], "new")
    assert calm.ask(inputs).reach == pytest.approx(2.0 * soh_net.SPREAD_FLOOR, rel=1e-2)
    assert model.ask(inputs).reach > calm.ask(inputs).reach


@pytest.mark.parametrize(("value", "known"), [(0.0, True), (1.0, True), (1.01, False)])
def test_a_value_beyond_training_is_noticed(value, known):
    model = read(write(header(), numbers()))
    assert model.knows([0.0] * 15 + [value]) is known


DATA = write(header(), numbers())


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "no header line"),
        (b"{}", "no header line"),
        (b"{}\n", "no header of a model"),
        (b"\xff\n", "no header of a model"),
        (DATA[:-4], "bytes of numbers expected"),
        (DATA + b"0000", "bytes of numbers expected"),
        (write(header(format="other-1"), numbers()), "format"),
        (write(header(layers=()), numbers()), "no shape of a network"),
        (write(header(layers=(WIDTH, 5, 3)), numbers()), "no shape of a network"),
        (write(header(networks=0), numbers()), "no shape of a network"),
        (write(header(networks=65), numbers()), "no shape of a network"),
        (write(header(kinds=("one",)), numbers()), "inputs that charges do not give"),
        (write(header(low=()), numbers()), "inputs that charges do not give"),
        (write(header(memories=(0.0, 30.0)), numbers()), "memories"),
        (write(header(), [float("nan"), *numbers()[1:]]), "not finite"),
        (write(header(), [0.0] * len(numbers())), "a scale is not above 0"),
        (DATA + b"0" * soh_net.BYTES_MAX, "longer than"),
    ],
)
def test_bytes_that_are_no_model_are_refused(data, rule):
    with pytest.raises(Malformed, match=rule):
        read(data)


def test_an_unknown_family_is_named_beside_the_known_ones():
    with pytest.raises(
        NotFound, match="no model for cells of LEAD; there are HUST, MIT, TJU, XJTU"
    ):
        soh_net.shipped("LEAD")


@pytest.mark.parametrize("name", ["hust", "mit", "tju", "xjtu"])
def test_a_shipped_model_says_where_it_comes_from(name):
    made = soh_net.shipped(name.upper()).header
    assert made.family == name.upper()
    assert list(made.digests) == [f"cycles_{name}.csv.gz"]
    assert made.figures.cells == len(made.cells)
    assert made.figures.coverage >= 90.0
    assert made.figures.worst_cell <= 5.0


def test_the_shipped_models_reach_the_goal_on_cells_left_out():
    mapes = [soh_net.shipped(name).header.figures.mape for name in ("HUST", "MIT", "TJU", "XJTU")]
    assert sum(mapes) / 4 <= 0.75
