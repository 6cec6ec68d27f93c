"""Every device we may meet keeps the same contract, or its deviation is written down.

`MOBILEGRID_HSM_PEERS` names the peers; by default the simulator and SoftHSM2, in CI all of them.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.contract.hsm.bench import CASES
from tests.contract.hsm.deviations import DEVIATIONS
from tests.contract.hsm.peers import NO_ANSWER, PEERS, Worker, named_peers, short_folder

pytestmark = [pytest.mark.tool, pytest.mark.xdist_group("hsm")]


@pytest.fixture(scope="module", params=named_peers())
def peer(request: pytest.FixtureRequest) -> Iterator[tuple[str, Worker]]:
    assert request.param in PEERS, f"MOBILEGRID_HSM_PEERS knows {', '.join(PEERS)}"
    with ExitStack() as stack:
        place = stack.enter_context(PEERS[request.param](stack.enter_context(short_folder())))
        worker = Worker(place)
        stack.callback(worker.stop)
        yield request.param, worker


@pytest.mark.parametrize("case", CASES)
def test_a_peer_keeps_the_contract(peer: tuple[str, Worker], case: str) -> None:
    name, worker = peer
    problem = worker.run(case)
    assert not problem.startswith(NO_ANSWER), f"{name}: {problem}"  # never a mere deviation
    reason = DEVIATIONS.get((name, case))
    if reason is None:
        assert not problem, f"{name} deviates and no row says so:\n{problem}"
    else:
        assert problem, f"{name} is said to deviate ({reason}) and does not"


def test_every_declared_deviation_is_of_a_case_and_a_peer() -> None:
    assert {case for _, case in DEVIATIONS} <= set(CASES)
    assert {peer for peer, _ in DEVIATIONS} <= set(PEERS)


def test_the_contract_has_eighty_cases_at_least() -> None:
    assert len(CASES) >= 80
