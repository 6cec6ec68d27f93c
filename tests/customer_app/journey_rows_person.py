"""The tables of J8 to J10: how to come to each state and what it must say."""

import base64
import json
from datetime import timedelta
from typing import Any

from customer_app.api.fake import Failure
from customer_app.api.fake_money import wallet
from customer_app.api.fake_town import TownDoor
from customer_app.trust.bundle import Verdict
from tests.customer_app.harness import NOW
from tests.customer_app.journey_stage import Change, Row, fails

RECEIPT, DATA = "/receipts/sw_low", "/settings/data"


# J8 ---------------------------------------------------------------------------------------------


def pack(**members: Any) -> Change:
    return lambda door: door.things["/packs/mine"]["items"][0].update(members)


def proven(door: TownDoor) -> None:
    entry = {"body": {"swap_id": "sw_low", "station_id": "st_mitte", "energy_wh": 12_000}}
    inner = base64.b64encode(json.dumps(entry).encode()).decode()
    extra = base64.b64encode(json.dumps({"entry": inner}).encode()).decode()
    proof = f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex 102\n\nnote\n".encode()
    door.things["/swaps/sw_low/proof"] = proof


def shown_otherwise(door: TownDoor) -> None:
    proven(door)
    door.things[RECEIPT]["energy_wh"] = 13_000


def verdict(state: str, found: Verdict, en: str, zh: str, action: str) -> Row:
    return Row(
        "J8",
        state,
        en,
        zh,
        "verify-verdict",
        action,
        "/verify/sw_low",
        given=proven,
        taps=("verify-start",),
        verdict=found,
        also=("log.example:",),  # a key to compare with the contract
        absent="" if action == REPORT else REPORT,
    )


REPORT = "verify-report"
SIGNED = int(NOW.timestamp()) - 30
WHOLE = Verdict(
    ok=True, position=102, tree_size=140, signed_at=SIGNED, witnesses_ok=2, witnesses_needed=2
)
HOLD = {"code": "recall", "reason": "recall", "at": "2026-03-01T00:00:00Z"}
J8 = (
    Row(
        "J8",
        "no pack with driver",
        "You hold no pack now.",
        "您当前没有电池包。",
        "empty",
        "pack-find",
        "/pack",
        given=lambda door: door.things["/packs/mine"].update(items=[]),
    ),
    Row(
        "J8",
        "SoH older than 90 days",
        "Last measured 1 Nov 2025.",
        "上次测量：2025年11月1日。",
        "pack-measured-old",
        "",
        "/pack",
        given=pack(measured_at="2025-11-01T10:00:00Z"),
    ),
    Row(
        "J8",
        "hold on the pack",
        "This pack should be exchanged: recall.",
        "此电池包需更换：recall。",
        "pack-hold-0",
        "",
        "/pack",
        given=pack(notices=[HOLD]),
    ),
    verdict(
        "verified",
        WHOLE,
        "Verified. Written at position 102; signed 09:59; 2 witnesses agree.",
        "已验证。记录位置 102，签名时间 09:59，2 个见证方一致。",
        "verify-policy",
    ),
    Row(
        "J8",
        "proof pending",
        "Recorded; the signed proof follows within a minute.",
        "已记录，签名证明将在一分钟内生成。",
        "verify-verdict",
        "verify-start",
        "/verify/sw_low",
        given=fails("GET /swaps/sw_low/proof", Failure(404, "not_signed_yet")),
        taps=("verify-start",),
        absent="verify-report",
    ),
    verdict(
        "quorum not met",
        Verdict(ok=False, step_failed="2", tree_size=9, witnesses_ok=1, witnesses_needed=2),
        "Signed by us; only 1 of 2 witnesses so far.",
        "已由我方签名，目前 1/2 个见证方确认。",
        "verify-download",
    ),
    verdict(
        "inclusion or signature wrong",
        Verdict(ok=False, step_failed="E5", tree_size=9),
        "This proof does not match the log. Keep the file and send it to an auditor.",
        "此证明与日志不符，请保留文件并提交审计方。",
        "verify-report",
    ),
    Row(
        "J8",
        "receipt differs from the entry",
        "The receipt shown differs from what was recorded.",
        "显示的账单与记录不一致。",
        "verify-verdict",
        "verify-report",
        "/verify/sw_low",
        given=shown_otherwise,
        taps=("verify-start",),
    ),
    verdict(
        "unknown log key",
        Verdict(ok=False, step_failed="2", detail="no key of the policy signed"),
        "Signed with a key this app does not know.",
        "签名密钥未知。",
        "verify-report",
    ),
)


# J9, J10 ----------------------------------------------------------------------------------------


def no_file(_args: Any) -> list[dict[str, Any]]:
    return [{"name": "x.exe", "size": 2, "id": 1, "bytes": b"MZ"}]


J9 = (
    Row(
        "J9",
        "offline",
        "Saved. Sent when you are back online.",
        "已保存，联网后发送。",
        "help-kept",
        "help-write",
        "/help",
        taps=("help-write", "help-send"),
        typed={"help-subject": "Stuck", "help-text": "The slot does not open."},
        then=fails("POST /cases", Failure(), 9),
    ),
    Row(
        "J9",
        "file over 10 MiB, or not a picture or PDF",
        "File must be a picture or PDF up to 10 MiB.",
        "文件须为图片或 PDF，且不超过 10 MiB。",
        "case-file-bad",
        "case-attach",
        "/help/cs_100",
        taps=("case-attach",),
        answers={"pick_files": no_file},
    ),
    Row(
        "J9",
        "outside hours",
        "We answer from 11:00. Urgent: call +49 30 5550 100.",
        "客服 11:00 起回复，紧急请拨打 +49 30 5550 100。",
        "help-hours",
        "help-call",
        "/help",
    ),
)


def stands(code: str) -> Change:
    def change(door: TownDoor) -> None:
        door.things["/erasure"] = {**door.things["/erasure"], "obstacles": [code]}
        door.things["/wallet"] = wallet(owed_minor=6040)

    return change


def erased(door: TownDoor) -> None:
    kept = [{"what": "invoices", "why": "tax_law", "until": "2036-12-31T12:00:00Z"}]
    door.things["/erasure"] = {"state": "ORDERED", "position": 812, "kept": kept}


def waiting(door: TownDoor) -> None:
    due = (NOW + timedelta(days=7)).isoformat()
    door.things["/erasure"] = {"state": "WAITING", "due_at": due, "kept": []}


def obstacle(code: str, en: str, zh: str) -> Row:
    action = f"data-obstacle-{code.replace('_', '-')}"
    return Row(
        "J10",
        code,
        en,
        zh,
        "data-obstacles",
        action,
        DATA,
        given=stands(code),
        taps=("data-erase",),
    )


J10: tuple[Row, ...] = (
    obstacle("pack_held", "Return your pack first.", "请先归还电池包。"),
    obstacle("open_case", "Finish the open case first.", "请先处理未结事项。"),
    obstacle("open_balance", "Settle €60.40 first.", "请先结清 €60.40。"),
    Row(
        "J10",
        "accepted",
        "Erasure on 17 Mar 2026. You can withdraw until then.",
        "将于 2026年3月17日 删除，此前可撤回。",
        "data-ordered",
        "data-withdraw",
        DATA,
        given=waiting,
    ),
    Row(
        "J10",
        "done",
        "Erased. Backups expire within 31 days. Invoices stay sealed until 31 Dec 2036 by law. "
        "Proof: position 812.",
        "已删除。备份将在 31 天内失效；依法须保留的发票封存至 2036年12月31日。证明位置：812。",
        "data-done",
        "",
        DATA,
        given=erased,
    ),
    Row(
        "",
        "done, and no date is known",
        "Erased. Backups expire within 31 days. Invoices stay sealed as long as the law says. "
        "Proof: position 812.",
        "已删除。备份将在 31 天内失效；发票依法封存至规定期限。证明位置：812。",
        "data-done",
        "",
        DATA,
        given=lambda door: door.things.update(
            {"/erasure": {"state": "ORDERED", "position": 812, "kept": []}}
        ),
    ),
)


def unconfirmed(language: str) -> Row:
    """The step-up that failed: asked for, left, and asked for again when coming back."""
    word = {"en": "ERASE", "zh": "删除"}[language]
    return Row(
        "J10",
        "step-up failed",
        "We could not confirm it is you. Nothing was erased.",
        "身份确认失败，未删除任何数据。",
        "data-unconfirmed",
        "data-erase-now",
        DATA,
        taps=("data-erase", "data-erase-now"),
        typed={"data-word": word},
        then=fails("POST /erasure", Failure(403, "step_up_needed"), 9),
        times=2,
    )
