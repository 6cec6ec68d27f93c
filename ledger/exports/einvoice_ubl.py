"""Invoices and credit notes in UBL 2.1 (EN 16931-3-2), elements in the order of its schemas."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ledger.exports._einvoice_texts import (
    CUSTOMIZATION,
    money_text,
    price_text,
    quantity_text,
    rate_text,
)
from ledger.exports.einvoice import CREDIT_NOTE, UNITS, BusinessDocument, Line, Tax, Trader, check

_AGGREGATE = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
_BASIC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
_ROOT = "urn:oasis:names:specification:ubl:schema:xsd:"

_TRANSFER = "58"  # UNCL 4461: credit transfer inside SEPA
_OTHER_MEANS = "1"  # not defined: paid by card or wallet, or nothing to pay


def write_ubl(document: BusinessDocument) -> bytes:
    """Write a document; `Malformed` for what `einvoice.check` refuses."""
    check(document)
    is_credit = document.kind == CREDIT_NOTE
    name = "CreditNote" if is_credit else "Invoice"
    spaces = {"xmlns": f"{_ROOT}{name}-2", "xmlns:cac": _AGGREGATE, "xmlns:cbc": _BASIC}
    root = Element(name, spaces)
    _basic(root, "CustomizationID", CUSTOMIZATION)
    _basic(root, "ID", document.number)
    _basic(root, "IssueDate", document.issued_on)
    if not is_credit:
        _basic(root, "DueDate", document.due_on)
        _basic(root, "InvoiceTypeCode", document.kind)
        _basic(root, "Note", document.note)
        _basic(root, "TaxPointDate", document.tax_point_on)
    else:
        _basic(root, "TaxPointDate", document.tax_point_on)
        _basic(root, "CreditNoteTypeCode", document.kind)
        _basic(root, "Note", document.note)
    _basic(root, "DocumentCurrencyCode", document.currency)
    _basic(root, "BuyerReference", document.buyer_reference)
    _period(root, document.period_from, document.period_to)
    if document.preceding_no:
        reference = _group(_group(root, "BillingReference"), "InvoiceDocumentReference")
        _basic(reference, "ID", document.preceding_no)
        _basic(reference, "IssueDate", document.preceding_on)
    _trader(_group(root, "AccountingSupplierParty"), document.seller)
    _trader(_group(root, "AccountingCustomerParty"), document.buyer)
    _basic(_group(root, "Delivery"), "ActualDeliveryDate", document.delivered_on)
    _means(root, document)
    _taxes(root, document)
    _totals(root, document)
    for line in document.lines:
        _line(root, document, line)
    indent(root, space="  ")
    text = bytes(tostring(root, encoding="utf-8"))
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text + b"\n"


def _group(parent: Element, name: str) -> Element:
    return SubElement(parent, f"cac:{name}")


def _basic(parent: Element, name: str, text: str, **attributes: str) -> None:
    """Add an element; an empty text is an absent term."""
    if text:
        SubElement(parent, f"cbc:{name}", attributes).text = text


def _amount(parent: Element, name: str, document: BusinessDocument, minor: int) -> None:
    _basic(parent, name, money_text(document, minor), currencyID=document.currency)


def _period(parent: Element, from_on: str, to_on: str) -> None:
    if from_on or to_on:
        period = _group(parent, "InvoicePeriod")
        _basic(period, "StartDate", from_on)
        _basic(period, "EndDate", to_on)


def _trader(outer: Element, trader: Trader) -> None:
    party = _group(outer, "Party")
    if trader.electronic_address:
        scheme = trader.electronic_scheme
        _basic(party, "EndpointID", trader.electronic_address, schemeID=scheme)
    address = _group(party, "PostalAddress")
    _basic(address, "StreetName", trader.address.street)
    _basic(address, "CityName", trader.address.city)
    _basic(address, "PostalZone", trader.address.post_code)
    _basic(_group(address, "Country"), "IdentificationCode", trader.address.country)
    if trader.vat_id:
        tax = _group(party, "PartyTaxScheme")
        _basic(tax, "CompanyID", trader.vat_id)
        _basic(_group(tax, "TaxScheme"), "ID", "VAT")
    legal = _group(party, "PartyLegalEntity")
    _basic(legal, "RegistrationName", trader.name)
    _basic(legal, "CompanyID", trader.register_id)


def _means(root: Element, document: BusinessDocument) -> None:
    means = _group(root, "PaymentMeans")
    _basic(means, "PaymentMeansCode", _TRANSFER if document.payee_iban else _OTHER_MEANS)
    if document.kind == CREDIT_NOTE:
        _basic(means, "PaymentDueDate", document.due_on)
    _basic(means, "PaymentID", document.number)
    if document.payee_iban:
        _basic(_group(means, "PayeeFinancialAccount"), "ID", document.payee_iban)


def _taxes(root: Element, document: BusinessDocument) -> None:
    total = _group(root, "TaxTotal")
    _amount(total, "TaxAmount", document, document.tax_minor)
    for row in document.taxes:
        part = _group(total, "TaxSubtotal")
        _amount(part, "TaxableAmount", document, row.base_minor)
        _amount(part, "TaxAmount", document, row.tax_minor)
        _category(_group(part, "TaxCategory"), row)


def _category(category: Element, row: Tax | Line) -> None:
    _basic(category, "ID", row.category)
    if row.category != "O":
        _basic(category, "Percent", rate_text(row.rate_bp))
    if isinstance(row, Tax):
        _basic(category, "TaxExemptionReason", row.reason)
    _basic(_group(category, "TaxScheme"), "ID", "VAT")


def _totals(root: Element, document: BusinessDocument) -> None:
    totals = _group(root, "LegalMonetaryTotal")
    amounts: Sequence[tuple[str, int, bool]] = (
        ("LineExtensionAmount", document.net_minor, True),
        ("TaxExclusiveAmount", document.net_minor, True),
        ("TaxInclusiveAmount", document.gross_minor, True),
        ("PrepaidAmount", document.paid_minor, bool(document.paid_minor)),
        ("PayableRoundingAmount", document.rounding_minor, bool(document.rounding_minor)),
        ("PayableAmount", document.payable_minor, True),
    )
    for name, minor, is_stated in amounts:
        if is_stated:
            _amount(totals, name, document, minor)


def _line(root: Element, document: BusinessDocument, line: Line) -> None:
    is_credit = document.kind == CREDIT_NOTE
    part = _group(root, "CreditNoteLine" if is_credit else "InvoiceLine")
    _basic(part, "ID", line.line_id)
    quantity = "CreditedQuantity" if is_credit else "InvoicedQuantity"
    _basic(part, quantity, quantity_text(line), unitCode=UNITS[line.unit])
    _amount(part, "LineExtensionAmount", document, line.net_minor)
    _period(part, line.from_on, line.to_on)
    item = _group(part, "Item")
    _basic(item, "Description", line.description)
    _basic(item, "Name", line.name)
    _category(_group(item, "ClassifiedTaxCategory"), line)
    _basic(_group(part, "Price"), "PriceAmount", price_text(line), currencyID=document.currency)
