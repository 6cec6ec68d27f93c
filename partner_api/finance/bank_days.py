"""Books and bank as both stood at the end of a day, whenever each of them was told."""

import msgspec
from litestar import Response, get

from ledger.adapters.bank.lines import read_statements
from ledger.domain.money.reconciling_compare import LegResult
from ledger.runtime.reconciliation_day import bank_days
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.finance.files import evidence_of
from partner_api.look import Asking, AsOf, looking


class BankDayOut(msgspec.Struct, frozen=True):
    """One account of ours at the end of a day, in minor units.

    ``ledger_closing + differences + residual = external_closing``; the residual is 0.
    """

    residual_minor: int
    leg: LegResult


class BankDaysOut(msgspec.Struct, frozen=True):
    """Every account of ours at the end of a day, ``YYYY-MM-DD``."""

    on: str
    items: list[BankDayOut]
    as_of: AsOf


@get(
    "/reports/bank-days",
    operation_id="report_bank_days",
    opt=asks(Action.READ_FINANCE, "on"),
    sync_to_thread=True,
)
def report_bank_days(request: Asking) -> Response[BankDaysOut]:
    """Compare our books with the bank at the end of a day, by the days on which the bank booked."""
    with looking(request, "report_bank_days", heavy=True) as look:
        kept, day = evidence_of(look.parts), look.need("on")
        legs = bank_days(look.reads, day, lambda digest: read_statements(kept.get(digest))[1])
        items = [BankDayOut(leg.residual_minor, leg) for leg in legs]
        return look.answer(BankDaysOut(day, items, look.as_of()), len(items))


ROUTES = (report_bank_days,)
