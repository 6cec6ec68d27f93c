"""Who may come in: assertions with a registered key, credentials for a quarter of an hour."""

import pytest

from ledger.kernel.errors import Misconfigured, NotFound
from ledger.kernel.instants import MINUTE, SECOND, as_text
from partner_api.auth import Action, Gate, Principal, authorise
from partner_api.clients import Client, key_id, read_clients
from partner_api.problems import DoorProblem
from tests.support import doors
from tests.support.doors import KEYS, REGISTERED, URL, HandClock, Key, claims, form_of

NOW = 1_800_000_000 * SECOND
STRANGER = Key("a stranger")


@pytest.fixture
def clock():
    return HandClock(NOW)


@pytest.fixture
def gate(clock):
    return new_gate(clock)


def new_gate(clock, auditors=REGISTERED):
    numbers = iter(range(10**6))
    return Gate(auditors, URL, clock, lambda size: next(numbers).to_bytes(size, "big"))


def sign_in(gate, said, key=KEYS["AU-1"], header=None):
    return doors.bearer_of(gate.sign_in(form_of(key.assertion(said, header))))


def refused(gate, form):
    with pytest.raises(DoorProblem) as caught:
        gate.sign_in(form)
    return caught.value


def test_an_assertion_becomes_a_credential_that_names_its_auditor(gate):
    bearer = sign_in(gate, claims("AU-1", NOW))
    assert gate.principal(f"Bearer {bearer}") == Principal("AU-1", "auditor")
    assert gate.principal(f"bearer {bearer}") == Principal("AU-1", "auditor")
    assert gate.principal(None) is None


def test_a_credential_ends_after_a_quarter_of_an_hour(gate, clock):
    bearer = sign_in(gate, claims("AU-1", NOW))
    clock.at += 15 * MINUTE - 1
    assert gate.principal(f"Bearer {bearer}")
    clock.at += 1
    with pytest.raises(DoorProblem, match="not_authenticated"):
        gate.principal(f"Bearer {bearer}")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic x", "Bearer \ud800", "x" * 9])
def test_another_header_is_not_authenticated(gate, header):
    with pytest.raises(DoorProblem, match="not_authenticated"):
        gate.principal(header)


def test_an_assertion_is_taken_once(gate):
    sign_in(gate, claims("AU-1", NOW, 1))
    sign_in(gate, claims("AU-1", NOW, 2))
    form = form_of(KEYS["AU-1"].assertion(claims("AU-1", NOW, 1)))
    assert refused(gate, form).code == "not_authenticated"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "AU-2"},
        {"sub": "AU-2"},
        {"iss": "AU-2", "sub": "AU-2"},
        {"aud": "https://other.example.net/auth"},
        {"exp": NOW // SECOND},
        {"exp": NOW // SECOND + 400},
        {"exp": 2**70},
        {"exp": "soon"},
        {"exp": 1.5},
        {"iat": NOW // SECOND + 100},
        {"nbf": NOW // SECOND + 100},
        {"jti": ""},
        {"jti": "x" * 101},
        {"jti": None},
    ],
)
def test_an_assertion_with_a_wrong_claim_is_refused(gate, changed):
    form = form_of(KEYS["AU-1"].assertion(claims("AU-1", NOW) | changed))
    assert refused(gate, form).code == "not_authenticated"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"kid": key_id(STRANGER.public)},
        {"kid": key_id(KEYS["AU-2"].public)},
        {"typ": "at+jwt"},
        {"crit": ["exp"]},
        {"jku": "https://elsewhere.example.net"},
    ],
)
def test_the_header_never_chooses_algorithm_or_key(gate, header):
    form = form_of(KEYS["AU-1"].assertion(claims("AU-1", NOW), header))
    assert refused(gate, form).code == "not_authenticated"


GOOD = KEYS["AU-1"].assertion(claims("AU-1", NOW))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        GOOD + ".x",
        GOOD + "=",
        GOOD[:-3] + ("AAA" if GOOD[-3:] != "AAA" else "BBB"),
        GOOD.replace(".", "..", 1),
        GOOD.rpartition(".")[0] + ".",
        "ü" + GOOD,
        "x" * 5_000,
        STRANGER.assertion(claims("AU-1", NOW)),
    ],
)
def test_what_no_registered_key_signed_is_refused(gate, text):
    assert refused(gate, form_of(text)).code == "not_authenticated"


def test_both_names_of_the_algorithm_are_taken(gate):
    assert sign_in(gate, claims("AU-1", NOW, 1), header={"alg": "Ed25519"})


def test_an_auditor_keeps_the_newest_sixteen_credentials(gate):
    bearers = [sign_in(gate, claims("AU-1", NOW, number)) for number in range(17)]
    with pytest.raises(DoorProblem):
        gate.principal(f"Bearer {bearers[0]}")
    assert all(gate.principal(f"Bearer {each}") for each in bearers[1:])


def test_an_auditor_whose_time_is_over_is_turned_away_at_once(clock):
    gate = new_gate(clock, (Client("AU-1", (KEYS["AU-1"].public,), as_text(NOW + MINUTE)),))
    bearer = sign_in(gate, claims("AU-1", NOW))
    clock.at += MINUTE
    with pytest.raises(DoorProblem):
        gate.principal(f"Bearer {bearer}")
    form = form_of(KEYS["AU-1"].assertion(claims("AU-1", clock.at, 2)))
    assert refused(gate, form).code == "not_authenticated"


# authorise --------------------------------------------------------------------

AUDITOR = Principal("AU-1", "auditor")


MAKER = Principal("FI-1", "finance", frozenset({"maker"}))
CHECKER = Principal("FI-2", "finance", frozenset({"checker"}))
TREASURER = Principal("FI-3", "finance", frozenset({"treasurer"}))
READER = Principal("FI-4", "finance", frozenset({"reader"}))
PARTNER = Principal("OP-1", "partner")
EVERYBODY = (AUDITOR, MAKER, CHECKER, TREASURER, READER, PARTNER)
DRIVER = Principal("DR-1", "driver")
PUBLIC = {
    "sign_in",
    "read_health",
    "read_documents",
    "read_log",
    "witness",
    "take_news",
    "prove_driver",
    "read_stations",
}
MAY = {
    "read_bundles": (AUDITOR,),
    "read_audit": (AUDITOR,),
    "write_audit": (AUDITOR,),
    "read_finance": (MAKER, CHECKER, TREASURER, READER),
    "make_finance": (MAKER, TREASURER),
    "check_finance": (CHECKER, TREASURER),
    "read_settlement": (MAKER, CHECKER, TREASURER, READER, PARTNER),
    "answer_settlement": (PARTNER,),
    "send_settlement": (MAKER, CHECKER, TREASURER, READER, PARTNER),
    "read_driver": (DRIVER,),
    "write_driver": (DRIVER,),
}


@pytest.mark.parametrize("action", Action)
def test_an_action_is_open_to_all_or_wants_a_role_and_a_duty(action):
    if action in PUBLIC:
        authorise(None, action)
        return
    with pytest.raises(DoorProblem, match="not_authenticated"):
        authorise(None, action)
    for who in (*EVERYBODY, DRIVER):
        if who in MAY[action]:
            authorise(who, action)
        else:
            with pytest.raises(DoorProblem, match="not_allowed"):
                authorise(who, action)


def test_the_object_of_another_is_not_found():
    authorise(AUDITOR, Action.READ_AUDIT, "AU-1")
    with pytest.raises(NotFound):
        authorise(AUDITOR, Action.READ_AUDIT, "AU-2")
    authorise(PARTNER, Action.READ_SETTLEMENT, "OP-1")
    with pytest.raises(NotFound):
        authorise(PARTNER, Action.READ_SETTLEMENT, "OP-2")
    authorise(READER, Action.READ_SETTLEMENT, "OP-2")


# The file of clients ----------------------------------------------------------


def file_of(*tables):
    return "".join(f"[[auditor]]\n{table}\n" for table in tables).encode()


ONE = f'id = "AU-1"\nkeys = ["{KEYS["AU-1"].public}"]'
TWO = f'id = "AU-2"\nkeys = ["{KEYS["AU-2"].public}"]\nvalid_until = "2027-01-01T00:00:00Z"'


def test_a_file_lists_auditors_and_their_keys():
    found = read_clients(file_of(ONE, TWO))
    assert [each.id for each in found] == ["AU-1", "AU-2"]
    assert read_clients(b"") == ()


def test_a_file_tells_finance_staff_and_partners_from_auditors():
    data = (
        file_of(ONE)
        + f"""
[[finance]]
id = "FI-1"
duties = ["maker", "reader"]
keys = ["{Key("FI-1").public}"]
[[partner]]
id = "OP-1"
keys = ["{Key("OP-1").public}"]
""".encode()
    )
    found = {each.id: (each.role, each.duties) for each in read_clients(data)}
    assert found == {
        "AU-1": ("auditor", ()),
        "FI-1": ("finance", ("maker", "reader")),
        "OP-1": ("partner", ()),
    }


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"[[auditor]",
        file_of('id = "AU-1"'),
        file_of('id = "au 1"\nkeys = ["x"]'),
        file_of('id = "AU-1"\nkeys = []'),
        file_of('id = "AU-1"\nkeys = ["AAAA"]'),
        file_of('id = "AU-1"\nkeys = ["not base64!"]'),
        file_of(ONE + "\nrole = 'admin'"),
        file_of(ONE + '\nvalid_until = "tomorrow"'),
        file_of(ONE, ONE.replace("AU-1", "AU-2", 1)),
        file_of(ONE, ONE),
        file_of(ONE + '\nduties = ["maker"]'),
        file_of(ONE).replace(b"auditor", b"finance"),
        file_of(ONE + '\nduties = ["king"]').replace(b"auditor", b"finance"),
    ],
)
def test_a_wrong_file_of_auditors_is_refused(data):
    with pytest.raises(Misconfigured, match="clients_file"):
        read_clients(data)
