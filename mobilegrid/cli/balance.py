"""`balance`: what accounts hold, as a tree with units."""

from collections import defaultdict
from collections.abc import Iterable

import click

from ledger.kernel.errors import NotFound
from ledger.store.queries.balances import Balance
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.params import known_at_option, valid_at_option
from mobilegrid.cli.wording import quantity_words

DEPTH = 2
"""Segments of an account path that the tree shows below where it begins."""


def rolled_up(balances: Iterable[Balance], prefix: str, depth: int) -> dict[str, dict[str, int]]:
    """Sum balances into every path from `prefix` down to `depth` segments below it.

    Gives path to commodity to quantity, in the order of the paths; the parts below a path sum to
    it. A branch whose parts cancel out stands there with 0.
    """
    above = len(prefix.split(":")) if prefix else 0
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in balances:
        parts = one.account.split(":")
        for end in range(max(above, 1), min(len(parts), above + depth) + 1):
            sums[":".join(parts[:end])][one.commodity] += one.quantity
    return {path: dict(sums[path]) for path in sorted(sums, key=_in_tree)}


def _in_tree(path: str) -> list[str]:
    return path.split(":")


def _rows(tree: dict[str, dict[str, int]], above: int) -> Iterable[tuple[str, str]]:
    for path, held in tree.items():
        parts = path.split(":")
        indent = "  " * (len(parts) - max(above, 1))
        name = path if len(parts) <= max(above, 1) else parts[-1]
        for commodity in sorted(held):
            yield indent + name, quantity_words(held[commodity], commodity)
            name = ""


@click.command(cls=Command)
@click.argument("account", default="")
@click.option(
    "--item",
    default="",
    metavar="ID",
    help="Only one driver, partner, pack or tax code, whatever tells the balances apart.",
)
@click.option(
    "--depth",
    type=click.IntRange(1, 20),
    default=DEPTH,
    show_default=True,
    help="Levels of the tree to show.",
)
@valid_at_option
@known_at_option
@click.pass_obj
def balance(
    app: App, account: str, item: str, depth: int, valid_at: int | None, known_at: int | None
) -> None:
    """Show what accounts hold.

    ACCOUNT is the path of an account or of a branch, such as Assets:Receivables or Packs:Driver;
    without it the whole tree is shown. Debits are positive, credits negative.
    """
    account = account.rstrip(":")
    with wiring.reading(app.settings) as reads:
        if valid_at is None and known_at is None and not item:
            balances = reads.totals(account)
        else:
            moment = reads.moment(valid_at, known_at)
            balances = reads.balances(account, item=item, at=moment)
    if account and not balances:
        raise NotFound(f"no account {account} holds anything")
    tree = rolled_up(balances, account, depth)
    above = len(account.split(":")) if account else 0
    title = account or "All accounts"
    columns = ("Account", "Balance")
    app.console.answer(balances, table(title, columns, _rows(tree, above), right=(1,)))
