"""Words in both languages: the same keys, the same gaps, and none written into a screen."""

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from customer_app.api.actions import ACTIONS, OF_KINDS, ROUTES, action_of, route_of
from customer_app.api.errors import ApiError, Kind
from customer_app.i18n.facts import gaps
from customer_app.i18n.format import LANGUAGES, Texts, load_catalogue
from customer_app.kit.shell import TABS
from customer_app.models.help import TOPICS
from customer_app.models.receipts import CODES as DISPUTE_CODES
from customer_app.root import ROUTES as SCREENS
from customer_app.root import is_route
from ledger.exports._passport_attributes import ATTRIBUTES, PUBLIC
from partner_api.driver.packs import HOLDER_SEES
from partner_api.problems import CODES

APP = Path(__file__).parents[2] / "customer_app"
EN, ZH = (load_catalogue(language) for language in LANGUAGES)
# codes that only other doors or other programs meet
ELSEWHERE = {
    "bounds_needed",
    "cursor_expired",
    "cursor_invalid",
    "cursor_mismatch",
    "headers_too_large",
    "idempotency_key_missing",
    "method_not_allowed",
    "not_acceptable",
    "not_confirmed",
    "not_known_yet",
    "signature_invalid",
    "slow_body",
}


def test_both_languages_have_the_same_keys() -> None:
    assert set(EN) == set(ZH)


def test_a_text_has_the_same_gaps_in_both_languages() -> None:
    assert [key for key in EN if gaps(EN[key]) != gaps(ZH[key])] == []


def test_every_attribute_of_a_passport_that_a_driver_sees_has_a_title_in_both_languages() -> None:
    shown = {each.clause for each in ATTRIBUTES if each.access == PUBLIC} | HOLDER_SEES
    stem = "passport.attribute."
    titled = {key.removeprefix(stem) for key in EN if key.startswith(stem)}
    assert titled == shown | {"class", "chemistry", "maker"}  # of a pack without a passport
    chinese = re.compile(r"[\u4e00-\u9fff]")
    assert [key for key in EN if key.startswith(stem) and not chinese.search(ZH[key])] == []
    titles = [ZH[f"{stem}{clause}"] for clause in shown]
    assert len(titles) == len(set(titles)), "two facts under one title"


def test_no_text_is_empty_or_left_in_the_other_language() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    assert not [key for key in EN if not EN[key].strip() or not ZH[key].strip()]
    assert [key for key in EN if chinese.search(EN[key])] == ["settings.language.zh"]


@pytest.mark.parametrize("code", sorted(set(CODES) - ELSEWHERE))
def test_every_code_of_the_door_says_what_happened_and_what_to_do(code: str) -> None:
    error = ApiError(Kind.CONFLICT, CODES[code][0], code, reference="abcdefghij")
    for language in LANGUAGES:
        texts = Texts(language)
        assert f"refused.{code}" in texts, "this code has no words of its own"
        _title, text = texts.error(error)
        assert "{" not in text
        assert "–" not in text, "a gap without a fact"
        assert f"action.{action_of(error)}" in texts


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_title_text_and_action(kind: Kind) -> None:
    for language in LANGUAGES:
        title, text = Texts(language).error(ApiError(kind, code="never_heard_of"))
        assert title
        assert text
        assert not title.startswith("kind.")
        assert not text.startswith("kind.")
        assert f"action.{action_of(ApiError(kind))}" in Texts(language)


def test_every_action_has_words_and_leads_to_a_screen() -> None:
    for action in {*ACTIONS.values(), *OF_KINDS.values()}:
        assert f"action.{action}" in EN
    assert all(is_route(route) for route in ROUTES.values())


@pytest.mark.parametrize(
    ("error", "route"),
    [
        (ApiError(Kind.PAYMENT, 402, "invoice_overdue", {"invoice_id": "in_7"}), "/invoices/in_7"),
        (ApiError(Kind.PAYMENT, 402, "invoice_overdue"), "/receipts"),
        (ApiError(Kind.CONFLICT, 409, "open_case", {"case_id": "cs_1"}), "/help/cs_1"),
        (ApiError(Kind.CONFLICT, 409, "booking_limit_reached", {"booking_id": "b"}), "/booking/b"),
        (ApiError(Kind.CONFLICT, 409, "lane_busy"), ""),
    ],
)
def test_the_action_of_an_error_leads_to_what_it_is_about(error: ApiError, route: str) -> None:
    assert route_of(error) == route


def test_facts_become_amounts_and_times_and_without_them_the_plain_text_is_said() -> None:
    facts: dict[str, str | int] = {
        "number": "INV-7",
        "amount_minor": 6040,
        "currency": "EUR",
        "since": "2026-11-01T00:00:00Z",
    }
    error = ApiError(Kind.PAYMENT, 402, "invoice_overdue", facts)
    said = Texts("en").error(error)[1]
    assert said.startswith("Invoice INV-7, €60.40, is unpaid since 1 Nov 2026")
    bare = ApiError(Kind.PAYMENT, 402, "invoice_overdue", {"amount_minor": 1})
    assert Texts("en").error(bare)[1] == "An invoice is overdue. Pay it to book again."


def test_a_fact_that_is_no_time_stays_as_it_came() -> None:
    error = ApiError(Kind.CONFLICT, 409, "ticket_used", {"used_at": "soon"})
    assert Texts("en").error(error)[1].startswith("This code was already used. If")
    exact = ApiError(Kind.CONFLICT, 409, "ticket_used", {"used_at": "2026-11-01T10:00:00Z"})
    assert "1 Nov 2026, 10:00" in Texts("en").error(exact)[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_screens_look_up_by_name_is_there(language: str) -> None:
    texts = Texts(language)
    keys = [route.title for route in SCREENS]
    keys += [f"tab.{tab.name}" for tab in TABS]
    keys += [f"dispute.code.{code}" for code in DISPUTE_CODES]
    keys += [f"help.topic.{topic}" for topic in TOPICS]
    keys += [f"help.state.{s}" for s in ("open", "waiting_driver", "waiting_us", "closed")]
    states = "pending reserved allocated presented fulfilled rejected canceled no_show failed"
    keys += [f"booking.state.{state}" for state in states.split()]
    assert [key for key in keys if key not in texts] == []


def test_the_texts_of_the_specification_are_the_texts_of_the_app() -> None:
    zh = Texts("zh")
    assert zh.t("fee.noshow", amount="€3.00") == "爽约费 €3.00"
    en = Texts("en")
    assert en.t("booking.extend") == "Extend (up to 15 min)"
    said = en.t("receipt.line_minimum", name="Service", billed="20.000 kWh", quantity="12.000 kWh")
    assert said == "Service 20.000 kWh (minimum; delivered 12.000 kWh)"
    at = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
    assert zh.moment(at, "Europe/Berlin") == "2026年11月24日 14:05"


# Literals ---------------------------------------------------------------------------------------

_NAME = re.compile(r"[A-Za-z0-9_.\-/:?=&%+<>@{}#,()*\[\]]*")


def literals() -> list[tuple[str, str]]:
    """Find the texts in views that a driver might read: not docstrings, not names or formats."""
    found = []
    for path in sorted(APP.joinpath("views").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        silent = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        silent |= {
            id(node.msg) for node in ast.walk(tree) if isinstance(node, ast.Assert) and node.msg
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            if id(node) not in silent and not _NAME.fullmatch(node.value):
                found.append((f"{path.name}:{node.lineno}", node.value))
    return found


def test_no_screen_has_words_of_its_own() -> None:
    assert [each for each in literals() if re.search(r"[^\W\d_]", each[1])] == []


def test_every_key_that_a_screen_says_is_there() -> None:
    missing = []
    for path in [*APP.joinpath("views").glob("*.py"), *APP.joinpath("kit").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in {"t", "say"} and node.args:
                key = node.args[0]
                if isinstance(key, ast.Constant) and key.value not in EN:
                    missing.append(f"{path.name}:{node.lineno} {key.value!r}")
    assert missing == []
