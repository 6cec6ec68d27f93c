"""No words in the code of screens: all of them come from the catalogues, which have them all."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import customer_app
from customer_app.i18n.facts import gaps
from customer_app.i18n.format import LANGUAGES, load_catalogue
from customer_app.kit.theme import (
    AMBER_CONTAINER,
    EXPANDED_FROM,
    MEDIUM_FROM,
    ON_AMBER_CONTAINER,
    TEXT_COLUMN,
    side_margin,
    size_class,
)

APP = Path(customer_app.__file__).parent
SOURCES = sorted([*(APP / "views").glob("*.py"), *(APP / "kit").glob("*.py")])
SHOWN = {
    "value",
    "label",
    "title",
    "subtitle",
    "text",
    "tooltip",
    "hint_text",
    "semantics_label",
    "error",
    "helper",
    "content",
}
WORDS = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}|[\u4e00-\u9fff]")
LETTERS = re.compile(r"[A-Za-z\u4e00-\u9fff]")


def name_of(path: Path) -> str:
    return path.relative_to(APP).as_posix()


def unsaid(tree: ast.Module) -> set[int]:
    """Find the texts that nobody reads on a screen: docstrings, and messages of our own errors."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
        if isinstance(node, ast.Raise | ast.Assert):
            found |= {id(part) for part in ast.walk(node)}
    return found


def texts_of(tree: ast.Module) -> Iterator[ast.Constant]:
    silent = unsaid(tree)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node


def shown_in(tree: ast.Module) -> Iterator[ast.Constant]:
    """Find the texts that go straight into a control."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("ft."):
            given = [*call.args, *[k.value for k in call.keywords if k.arg in SHOWN]]
            yield from (
                part
                for part in given
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_words_stand_in_the_code_of_a_screen(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wrong = [
        f"{node.lineno}: {node.value!r}" for node in texts_of(tree) if WORDS.search(str(node.value))
    ]
    wrong += [
        f"{node.lineno}: {node.value!r}"
        for node in shown_in(tree)
        if LETTERS.search(str(node.value)) and not str(node.value).startswith("#")
    ]
    assert wrong == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_word_that_a_screen_asks_for_is_in_the_catalogue(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    asked = {
        str(call.args[0].value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in {"t", "say"}
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    assert sorted(asked - load_catalogue("en").keys()) == []


def test_a_text_has_the_same_gaps_in_every_language() -> None:
    first, *others = (load_catalogue(language) for language in LANGUAGES)
    wrong = [key for other in others for key in first if gaps(first[key]) != gaps(other[key])]
    assert wrong == []


def luminance(colour: str) -> float:
    """Give the relative luminance of `#RRGGBB` (WCAG 2.2)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_our_own_colours_can_be_read() -> None:
    light, dark = luminance(AMBER_CONTAINER), luminance(ON_AMBER_CONTAINER)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("width", "layout", "side"),
    [
        (0, "compact", 0),
        (599.9, "compact", 0),
        (600, "medium", 0),
        (839, "medium", 40),
        (840, "expanded", 0),
        (1280, "expanded", 240),
        (4000, "expanded", 1600),
    ],
)
def test_the_width_decides_the_layout_and_keeps_lines_readable(
    width: float, layout: str, side: int
) -> None:
    assert (size_class(width), side_margin(width)) == (layout, side)
    assert MEDIUM_FROM < TEXT_COLUMN < EXPANDED_FROM


def test_the_app_begins_without_the_server_the_doors_and_the_ledger() -> None:
    program = (
        "import sys\n"
        "for name in ('flet_web', 'litestar', 'ledger', 'partner_api', 'msgspec', 'sqlalchemy'):\n"
        "    sys.modules[name] = None\n"
        "import customer_app.main\n"
        "print('begun', any(name.startswith('customer_app.hosting') for name in sys.modules))\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=APP.parent, capture_output=True, text=True, check=False)
    assert done.stdout == "begun False\n", done.stderr


# key, English, Chinese: the words on which the handbook is exact
AGREED = (
    ("home.ready", "{n} ready", "{n} 块可用"),
    ("booking.hold", "Held until {time}", "保留至 {time}"),
    ("home.asof", "as of {time}", "截至 {time}"),
    ("booking.cancel", "Cancel booking", "取消预约"),
    ("home.list", "List", "列表"),
    ("home.map", "Map", "地图"),
    ("booking.extend", "Extend (up to 15 min)", "延长（最多 15 分钟）"),
    ("filter.ready", "Ready now", "现在可用"),
    ("booking.code", "Show code", "出示换电码"),
    ("filter.open", "Open", "营业中"),
    ("booking.route", "Route", "导航"),
    ("filter.class", "Pack class", "电池包类型"),
    ("swap.stop", "Stop and call", "停止并致电"),
    ("filter.price", "Price", "价格"),
    ("filter.power", "Power", "功率"),
    ("swap.step_in", "Pack in", "放入电池包"),
    (
        "station.predicted",
        "About {n} ready when you arrive ({time})",
        "您到达时（{time}）预计 {n} 块可用",
    ),
    ("swap.step_out", "Pack out", "取出电池包"),
    ("station.last_swap", "Last swap {age} ago", "上次换电：{age}前"),
    ("wallet.topup", "Top up", "充值"),
    ("station.busy", "Busy hours", "繁忙时段"),
    ("wallet.overdue", "Overdue", "逾期未付"),
    ("station.score", "Kept {p} % of bookings in 30 days", "30 天预约履约率 {p}%"),
    ("wallet.allowance", "{a} of {b} swaps used", "已用 {a}/{b} 次"),
    ("station.reserve", "Reserve", "预约"),
    ("receipt.energy", "Energy", "电费"),
    ("price.locked", "Price locked", "价格已锁定"),
    ("receipt.service", "Service", "服务费"),
    ("fee.noshow", "No-show fee {amount}", "爽约费 {amount}"),
    ("receipt.total", "Total incl. tax", "含税合计"),
    ("pack.soh", "Health (SoH)", "健康度 (SoH)"),
    ("receipt.dispute", "Dispute this line", "对此项提出异议"),
    ("pack.soc", "Charge (SoC)", "电量 (SoC)"),
    ("verify.button", "Verify my swap", "验证本次换电"),
    ("pack.cycles", "Full cycles", "等效循环次数"),
    ("verify.download", "Save proof file", "保存证明文件"),
    ("pack.passport", "Battery passport", "电池护照"),
    ("help.call", "Call us", "致电"),
    ("help.write", "Write", "留言"),
    ("common.retry", "Try again", "重试"),
    ("common.offline", "No connection", "无网络连接"),
    ("common.ref", "Ref {ref}", "编号 {ref}"),
    ("data.erase", "Erase my data", "删除我的数据"),
    ("tab.map", "Map", "地图"),
    ("tab.wallet", "Wallet", "钱包"),
    ("tab.pack", "Pack", "电池包"),
    ("tab.inbox", "Inbox", "消息"),
    ("tab.help", "Help", "帮助"),
)


@pytest.mark.parametrize(("key", "en", "zh"), AGREED, ids=[row[0] for row in AGREED])
def test_words_that_were_agreed_stay_as_agreed(key: str, en: str, zh: str) -> None:
    assert [load_catalogue(language)[key] for language in ("en", "zh")] == [en, zh]
