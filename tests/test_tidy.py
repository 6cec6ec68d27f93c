"""The style of docs/style.md, as far as ruff and mypy cannot see it.

Nothing here lists files: a new module is measured the moment it exists.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from mobilegrid.cli.base import LazyGroup
from mobilegrid.cli.main import main as command_line

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = tuple(SETTINGS["tool"]["importlinter"]["root_packages"])

LINES_OF_A_FILE = 400
LONG_FILES = ("tables.py", "catalogue.py", "offline_verifier.py")
GENERATED = "migrations/versions/"  # written by Alembic, then read by a person
LINES_OF_A_FUNCTION = 70
PARAMETERS = 6
PUBLIC_DOOR = "ledger/__init__.py"  # the one package file with code: it loads rooms when asked


@cache
def files() -> tuple[Path, ...]:
    """List the files of the repository, without what tools left behind."""
    left_behind = {"__pycache__", "build", "dist", "mutants"}
    kept = {".ci", ".gitignore", ".editorconfig", ".pre-commit-config.yaml"}
    found = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part not in kept for part in parts)
        if not hidden and not left_behind & set(parts) and path.is_file():
            found.append(path)
    return tuple(sorted(found))


@cache
def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python(*, product_only: bool = False) -> Iterator[Path]:
    for path in files():
        if path.suffix == ".py" and not (
            product_only and path.relative_to(ROOT).parts[0] not in PACKAGES
        ):
            yield path


def lines_with(pattern: str, suffixes: tuple[str, ...] = ()) -> list[str]:
    """Find the lines of all files (or those with a suffix) that match."""
    search = re.compile(pattern).search
    return [
        f"{name_of(path)}:{number}: {line.strip()[:90]}"
        for path in files()
        if not suffixes or path.suffix in suffixes
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if search(line)
    ]


def assert_none(wrong: list[str]) -> None:
    """Fail with all that is wrong, one a line."""
    assert not wrong, "\n" + "\n".join(wrong)


# Sizes ----------------------------------------------------------------------------------------


def test_no_file_is_too_long_to_read() -> None:
    wrong = []
    for path in python():
        lines = text_of(path).count("\n")
        may_be_long = path.name in LONG_FILES or name_of(path).startswith(GENERATED)
        if lines > LINES_OF_A_FILE and not may_be_long:
            wrong.append(f"{name_of(path)}: {lines}")
    assert_none(wrong)


def test_no_function_is_longer_than_a_screen_or_takes_too_much() -> None:
    wrong = []
    for path in python():
        if name_of(path).startswith(GENERATED):
            continue
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            given = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            parameters = sum(a.arg not in {"self", "cls"} for a in given)
            if lines > LINES_OF_A_FUNCTION or parameters > PARAMETERS:
                place = f"{name_of(path)}:{node.lineno} {node.name}"
                wrong.append(f"{place}: {lines} lines, {parameters} parameters")
    assert_none(wrong)


# Strangers in the files -----------------------------------------------------------------------


def test_no_file_names_a_place_on_one_machine() -> None:
    assert_none(lines_with(r"(?<![\w.~<])/(?:home|root|work|Users|mnt)/|[A-Z]:\\Users"))


def test_no_file_names_a_package_index() -> None:
    hosts = r"pypi[.]org|pythonhosted[.]|deb[.]debian[.]|registry[.]npmjs|proxy[.]golang[.]"
    assert_none(lines_with(hosts))


def test_no_file_holds_a_secret() -> None:
    secrets = r"BEGIN [A-Z ]*PRIVATE[ ]KEY|\b[sr]k_live_\w|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{30}"
    assert_none(lines_with(secrets))


def test_nothing_is_left_for_later_in_a_comment() -> None:
    assert_none(lines_with(r"\bTO[D]O\b|\bFIX[M]E\b", (".py", ".md", ".toml", ".mako")))


# Modules --------------------------------------------------------------------------------------


def test_a_package_file_holds_its_docstring_only() -> None:
    wrong = []
    for path in python(product_only=True):
        body = tree_of(path).body
        if path.name == "__init__.py" and name_of(path) != PUBLIC_DOOR:
            alone = len(body) == 1 and ast.get_docstring(tree_of(path))
            wrong += [] if alone else [name_of(path)]
    assert_none(wrong)


def test_every_module_is_used() -> None:
    """A module is used when something imports it, or the command line loads it on demand."""
    mentioned = {"mobilegrid.__main__", SETTINGS["project"]["scripts"]["mobilegrid"].split(":")[0]}
    groups: list[LazyGroup] = [command_line]
    for group in groups:
        for member in group.members.values():
            if isinstance(member, LazyGroup):
                groups.append(member)
            else:
                mentioned.add(member.target.split(":")[0])
    for path in python():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                mentioned |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                mentioned |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                mentioned.add(node.value.split(":")[0])
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in python(product_only=True)
        if path.name != "__init__.py"
    }
    assert_none(sorted(modules - mentioned))


def test_the_values_of_rules_and_entries_have_no_floating_point() -> None:
    rooms = ("ledger/kernel/", "ledger/domain/", "ledger/store/", "ledger/tlog/")
    floats = [
        f"{name_of(path)}:{field.lineno}"
        for path in python(product_only=True)
        if name_of(path).startswith(rooms)
        for struct in ast.walk(tree_of(path))
        if isinstance(struct, ast.ClassDef)
        for field in struct.body
        if isinstance(field, ast.AnnAssign)
        and any(isinstance(n, ast.Name) and n.id == "float" for n in ast.walk(field.annotation))
    ]
    assert_none(floats)


# Words ----------------------------------------------------------------------------------------

# banned word -> the word to take; the sense that stays allowed is cut out by the pattern
BANNED = {
    r"batter(?:y|ies)(?! (?:codes?|asset|passports?|ageing|packs?|id|pass)\b)": "pack",
    r"cartridges?": "pack",
    r"bays?": "slot",
    r"(?:a|the|this|every) docks?|docks? (?:id|number)": "slot",  # a pack docks: the verb is fine
    r"(?<!foreign )owners?": "holder or title",  # FOREIGN_OWNER is the name of a hold
    r"users?(?! warning)": "driver or party",
    r"customers?(?! app)": "driver or party",
    r"tokens?(?! (?:bytes|hex))": "credential",
    r"reservations?": "booking",
    r"tickets?": "case",
    r"read models?": "view",
    r"projections?": "view",
}
# Foreign words live only where they are spoken: other people's formats, devices and databases,
# the glossary that bans them, and the tests' own helpers.
FOREIGN = (
    "customer_app/",
    "docs/algorithms/passport.md",
    "docs/doors.md",
    "docs/foreign_ids.md",
    "docs/glossary.md",
    "hsm_sim/",
    "ledger/adapters/",
    "ledger/exports/_passport",
    "ledger/exports/einvoice_ubl.py",
    "ledger/signer/",
    "ledger/store/",
    "migrations/",
    "mobilegrid/simulated.py",
    "partner_api/auth.py",
    "partner_api/driver/",
    "partner_api/driver_",
    "partner_api/one_time_codes.py",
    "partner_api/passkeys.py",
    "partner_api/sign_in_",
    "partner_api/ocpi/",
    "partner_api/tcec102/",
    "tests/contract/hsm/",
    "tests/customer_app/",
    "tests/integration/test_driver_",
    "tests/docs/",
    "tests/peers/",
    "tests/support/",
    "tests/test_tidy.py",
    "tests/unit/adapters/stripe/",
    "tests/unit/hsm_sim/",
    "tests/unit/exports/test_passport",
    "tests/unit/importers/",
    "tests/unit/signer/",
    "benchmarks/",
    "bootstrap.py",
)
# as the name of a variable these mean everything; as verbs they are fine
VAGUE_NAMES = {"record": "entry", "records": "entries", "charge": "fee or charging session"}


def spoken(line: str) -> str:
    """Give a line as words: `BatteryIn`, `battery_in` and `battery-in` all as `battery in`."""
    return re.sub(r"[_-]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", line)).lower()


def test_the_glossary_has_one_word_for_one_thing() -> None:
    banned = {re.compile(rf"\b{word}\b"): instead for word, instead in BANNED.items()}
    wrong = [
        f"{name_of(path)}:{number}: say {instead}: {line.strip()[:80]}"
        for path in files()
        if path.suffix in {".py", ".md"} and not name_of(path).startswith(FOREIGN)
        for number, line in enumerate(text_of(path).splitlines(), 1)
        for word, instead in banned.items()
        if word.search(spoken(line))
    ]
    assert_none(wrong)


@pytest.mark.parametrize("line", ["class BatteryIn:", "the dock's door", "user_id = 3", "a token."])
def test_a_banned_word_is_recognised_in_every_spelling(line: str) -> None:
    assert any(re.search(rf"\b{word}\b", spoken(line)) for word in BANNED)


def test_no_variable_has_a_name_that_means_everything() -> None:
    wrong = []
    for path in python(product_only=True):
        if name_of(path).startswith(FOREIGN):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.arg | ast.Name):
                name = node.arg if isinstance(node, ast.arg) else node.id
                if name in VAGUE_NAMES:
                    wrong.append(f"{name_of(path)}:{node.lineno}: say {VAGUE_NAMES[name]}")
    assert_none(wrong)
