"""Who issues invoices, as the settings say."""

from ledger.exports.einvoice import Address, Trader
from ledger.exports.invoice_papers import Letterhead
from ledger.kernel.errors import Misconfigured
from ledger.kernel.iban import check_iban
from mobilegrid.settings import SellerSettings, Settings


def letterhead(settings: Settings) -> Letterhead:
    """Say who issues documents; `Misconfigured` where the settings do not name him whole."""
    contact, url = settings.seller.contact, settings.doors.public_url
    return Letterhead(_seller(settings.seller), contact, url)


def _seller(settings: SellerSettings) -> Trader:
    for name in ("name", "country", "vat_id"):
        if not getattr(settings, name):
            raise Misconfigured(f"seller.{name} is empty: an invoice names who sells")
    address = Address(settings.street, settings.city, settings.post_code, settings.country)
    return Trader(
        settings.name,
        address,
        vat_id=settings.vat_id,
        register_id=settings.register_id,
        iban=check_iban(settings.iban, "seller.iban") if settings.iban else "",
    )
