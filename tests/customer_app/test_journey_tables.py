"""Every state of every journey has its words in both languages and a way on, and none is forgotten.

`TABLES` names the states of the tables of the handbook. A row either stands on the stage below or,
where no screen of the app shows it, is held by the test that is named beside it.
"""

import asyncio
import importlib

import pytest

from customer_app.i18n.format import LANGUAGES
from partner_api.driver.sign_in_page import words
from tests.customer_app.journey_rows import J1, J2
from tests.customer_app.journey_rows_money import J6, J7
from tests.customer_app.journey_rows_person import J8, J9, J10, unconfirmed
from tests.customer_app.journey_rows_swap import J5
from tests.customer_app.journey_rows_way import J3, J4
from tests.customer_app.journey_stage import Stage

JOURNEYS = {
    "J1": J1,
    "J2": J2,
    "J3": J3,
    "J4": J4,
    "J5": J5,
    "J6": J6,
    "J7": J7,
    "J8": J8,
    "J9": J9,
    "J10": J10,
}
TABLES = {
    "J0": (
        "passkey cancelled",
        "no passkey on this device",
        "code wrong",
        "code expired / tries used up",
        "hand-off code used or older than 60 s",
        "401 in the app",
    ),
    "J1": (
        "loading",
        "location refused or off",
        "none in range",
        "none ready of my class",
        "as_of older than 2 min",
        "offline",
        "maintenance",
        "outside opening hours",
        "filters hide all",
        "tiles missing",
    ),
    "J2": (
        "409 no_pack_available",
        "409 quote_expired",
        "402 payment_required, no method",
        "402 payment_required, hold declined",
        "unpaid_invoice",
        "driver_blocked",
        "409 booking_limit_reached",
        "balance_packs below 0",
        "entitlement_exceeded",
        "class_not_in_contract",
        "window_invalid",
        "429",
        "no answer within 10 s",
        "5xx after 3 tries",
    ),
    "J3": (
        "5 min left",
        "extension refused",
        "expired",
        "allocation_replaced",
        "failed",
        "station stopped reporting",
        "no_show",
    ),
    "J4": (
        "no network, code cached",
        "no network, no code",
        "code expired",
        "code already used",
        "other station",
        "sticker for unknown slot",
        "sticker, no booking",
        "station refused, no pack",
        "lane_busy",
        "station_offline",
    ),
    "J5": (
        "authorised, accepted",
        "half_in",
        "half_out (out_in)",
        "completed",
        "refused: SoH low, damaged",
        "refused: unknown, wrong type",
        "refused: SoC",
        "expired",
        "out_timed_out",
        "closed_incomplete",
        "pack not the one recorded",
        "identity not proven",
        "station lost during the swap",
        "safety alarm",
    ),
    "J6": (
        "priced, capturing",
        "card declined after hand-out",
        "left the hosted page",
        "back from the page, webhook not in",
        "wallet too low",
        "refund",
    ),
    "J7": (
        "not priced yet",
        "corrected later",
        "evidence is a substitute",
        "line disputed",
        "404",
        "PDF not offered by this service",
    ),
    "J8": (
        "no pack with driver",
        "SoH older than 90 days",
        "hold on the pack",
        "verified",
        "proof pending",
        "quorum not met",
        "inclusion or signature wrong",
        "receipt differs from the entry",
        "unknown log key",
    ),
    "J9": ("offline", "file over 10 MiB, or not a picture or PDF", "outside hours"),
    "J10": ("pack_held", "open_case", "open_balance", "step-up failed", "accepted", "done"),
}
HERE = "test_journey_tables:test_the_page_of_the_sign_in_says_what_the_table_says"
ELSEWHERE = {
    ("J0", "passkey cancelled"): HERE,
    ("J0", "no passkey on this device"): HERE,
    ("J0", "code wrong"): HERE,
    ("J0", "code expired / tries used up"): HERE,
    ("J0", "hand-off code used or older than 60 s"): HERE,
    ("J0", "401 in the app"): "test_main:test_a_401_says_that_the_booking_is_safe",
    ("J1", "loading"): "test_kit:test_a_skeleton_waits_a_moment_before_it_is_seen",
    ("J1", "tiles missing"): "test_views_home:test_a_map_without_tiles_still_has_its_stations",
}
OF_THE_PAGE = {
    "cancelled": ("Sign-in was cancelled. Nothing has changed.", "已取消登录，未做任何更改。"),
    "no_passkey": ("No passkey on this device?", "此设备没有通行密钥？"),
    "send_code": ("Send code", "发送验证码"),
    "code_wrong": ("That code is not right. {n} tries left.", "验证码不正确，还可尝试 {n} 次。"),
    "code_used_up": (
        "This code no longer works. Ask for a new one.",
        "验证码已失效，请重新获取。",
    ),
    "sign_in_ended": (
        "This sign-in has run out. Please start again.",
        "本次登录已失效，请重新开始。",
    ),
}


def test_every_state_of_every_table_is_held_by_a_test() -> None:
    staged = {(row.journey, row.state) for rows in JOURNEYS.values() for row in rows}
    staged |= {(row.journey, row.state) for row in map(unconfirmed, LANGUAGES)}
    wanted = {(journey, state) for journey, states in TABLES.items() for state in states}
    assert wanted - staged - ELSEWHERE.keys() == set(), "nothing shows these states"
    assert {row for row in staged if row[0]} | ELSEWHERE.keys() <= wanted, "in no table"
    for where in ELSEWHERE.values():
        module, _, name = where.partition(":")
        assert hasattr(importlib.import_module(f"tests.customer_app.{module}"), name), where


@pytest.mark.parametrize("key", OF_THE_PAGE)
def test_the_page_of_the_sign_in_says_what_the_table_says(key: str) -> None:
    spoken = words()
    assert (spoken["en"][key], spoken["zh"][key]) == OF_THE_PAGE[key]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("journey", JOURNEYS)
def test_every_state_says_what_it_means_and_what_to_do(journey: str, language: str) -> None:
    rows = [*JOURNEYS[journey], *([unconfirmed(language)] if journey == "J10" else [])]
    # the list of stations stays with its session, so each of its states needs one of its own
    sharing = [[row] for row in rows] if journey == "J1" else [rows]

    async def play() -> None:
        for together in sharing:
            stage = Stage()
            await stage.open(language, together[0].given)
            wrong = {row.state: found for row in together if (found := await stage.play(row))}
            assert wrong == {}
            assert not stage.faults.faults
            await stage.browser.close()

    asyncio.run(play())
