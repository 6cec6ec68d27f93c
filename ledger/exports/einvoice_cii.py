"""Invoices and credit notes in UN/CEFACT CII D16B (EN 16931-3-3), elements in schema order."""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ledger.exports._einvoice_texts import (
    CUSTOMIZATION,
    money_text,
    price_text,
    quantity_text,
    rate_text,
)
from ledger.exports.einvoice import UNITS, BusinessDocument, Line, Tax, Trader, check

_STANDARD = "urn:un:unece:uncefact:data:standard:"
_SPACES = {
    "xmlns:rsm": f"{_STANDARD}CrossIndustryInvoice:100",
    "xmlns:ram": f"{_STANDARD}ReusableAggregateBusinessInformationEntity:100",
    "xmlns:qdt": f"{_STANDARD}QualifiedDataType:100",
    "xmlns:udt": f"{_STANDARD}UnqualifiedDataType:100",
}

_DAY_FORMAT = "102"  # UNTDID 2379: CCYYMMDD
_TRANSFER, _OTHER_MEANS = "58", "1"


def write_cii(document: BusinessDocument) -> bytes:
    """Write a document; `Malformed` for what `einvoice.check` refuses."""
    check(document)
    root = Element("rsm:CrossIndustryInvoice", _SPACES)
    context = SubElement(root, "rsm:ExchangedDocumentContext")
    _text(_group(context, "GuidelineSpecifiedDocumentContextParameter"), "ID", CUSTOMIZATION)
    head = SubElement(root, "rsm:ExchangedDocument")
    _text(head, "ID", document.number)
    _text(head, "TypeCode", document.kind)
    _day(head, "IssueDateTime", document.issued_on)
    if document.note:
        _text(_group(head, "IncludedNote"), "Content", document.note)
    deal = SubElement(root, "rsm:SupplyChainTradeTransaction")
    for line in document.lines:
        _line(deal, document, line)
    agreement = _group(deal, "ApplicableHeaderTradeAgreement")
    _text(agreement, "BuyerReference", document.buyer_reference)
    _trader(_group(agreement, "SellerTradeParty"), document.seller)
    _trader(_group(agreement, "BuyerTradeParty"), document.buyer)
    delivery = _group(deal, "ApplicableHeaderTradeDelivery")
    supply = _group(delivery, "ActualDeliverySupplyChainEvent")
    _day(supply, "OccurrenceDateTime", document.delivered_on)
    _settlement(_group(deal, "ApplicableHeaderTradeSettlement"), document)
    indent(root, space="  ")
    text = bytes(tostring(root, encoding="utf-8"))
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text + b"\n"


def _group(parent: Element, name: str) -> Element:
    return SubElement(parent, f"ram:{name}")


def _text(parent: Element, name: str, text: str, **attributes: str) -> None:
    """Add an element; an empty text is an absent term."""
    if text:
        SubElement(parent, f"ram:{name}", attributes).text = text


def _day(parent: Element, name: str, day: str, *, kind: str = "DateTimeString") -> None:
    if day:
        date = SubElement(_group(parent, name), f"udt:{kind}", format=_DAY_FORMAT)
        date.text = day.replace("-", "")


def _trader(party: Element, trader: Trader) -> None:
    _text(party, "Name", trader.name)
    if trader.register_id:
        _text(_group(party, "SpecifiedLegalOrganization"), "ID", trader.register_id)
    address = _group(party, "PostalTradeAddress")
    _text(address, "PostcodeCode", trader.address.post_code)
    _text(address, "LineOne", trader.address.street)
    _text(address, "CityName", trader.address.city)
    _text(address, "CountryID", trader.address.country)
    if trader.electronic_address:
        electronic = _group(party, "URIUniversalCommunication")
        scheme = trader.electronic_scheme
        _text(electronic, "URIID", trader.electronic_address, schemeID=scheme)
    if trader.vat_id:
        tax = _group(party, "SpecifiedTaxRegistration")
        _text(tax, "ID", trader.vat_id, schemeID="VA")


def _line(deal: Element, document: BusinessDocument, line: Line) -> None:
    part = _group(deal, "IncludedSupplyChainTradeLineItem")
    _text(_group(part, "AssociatedDocumentLineDocument"), "LineID", line.line_id)
    product = _group(part, "SpecifiedTradeProduct")
    _text(product, "Name", line.name)
    _text(product, "Description", line.description)
    price = _group(_group(part, "SpecifiedLineTradeAgreement"), "NetPriceProductTradePrice")
    _text(price, "ChargeAmount", price_text(line))
    delivery = _group(part, "SpecifiedLineTradeDelivery")
    _text(delivery, "BilledQuantity", quantity_text(line), unitCode=UNITS[line.unit])
    settlement = _group(part, "SpecifiedLineTradeSettlement")
    tax = _group(settlement, "ApplicableTradeTax")
    _text(tax, "TypeCode", "VAT")
    _text(tax, "CategoryCode", line.category)
    if line.category != "O":
        _text(tax, "RateApplicablePercent", rate_text(line.rate_bp))
    _period(settlement, line.from_on, line.to_on)
    total = _group(settlement, "SpecifiedTradeSettlementLineMonetarySummation")
    _text(total, "LineTotalAmount", money_text(document, line.net_minor))


def _period(settlement: Element, from_on: str, to_on: str) -> None:
    if from_on or to_on:
        period = _group(settlement, "BillingSpecifiedPeriod")
        _day(period, "StartDateTime", from_on)
        _day(period, "EndDateTime", to_on)


def _settlement(settlement: Element, document: BusinessDocument) -> None:
    _text(settlement, "PaymentReference", document.number)
    _text(settlement, "InvoiceCurrencyCode", document.currency)
    means = _group(settlement, "SpecifiedTradeSettlementPaymentMeans")
    _text(means, "TypeCode", _TRANSFER if document.payee_iban else _OTHER_MEANS)
    if document.payee_iban:
        account = _group(means, "PayeePartyCreditorFinancialAccount")
        _text(account, "IBANID", document.payee_iban)
    for row in document.taxes:
        _tax(settlement, document, row)
    _period(settlement, document.period_from, document.period_to)
    if document.due_on:
        _day(_group(settlement, "SpecifiedTradePaymentTerms"), "DueDateDateTime", document.due_on)
    _totals(settlement, document)
    if document.preceding_no:
        reference = _group(settlement, "InvoiceReferencedDocument")
        _text(reference, "IssuerAssignedID", document.preceding_no)
        _qualified_day(reference, document.preceding_on)


def _qualified_day(reference: Element, day: str) -> None:
    """Write the day of the preceding invoice, which has a name space of its own."""
    if day:
        outer = _group(reference, "FormattedIssueDateTime")
        date = SubElement(outer, "qdt:DateTimeString", format=_DAY_FORMAT)
        date.text = day.replace("-", "")


def _tax(settlement: Element, document: BusinessDocument, row: Tax) -> None:
    tax = _group(settlement, "ApplicableTradeTax")
    _text(tax, "CalculatedAmount", money_text(document, row.tax_minor))
    _text(tax, "TypeCode", "VAT")
    _text(tax, "ExemptionReason", row.reason)
    _text(tax, "BasisAmount", money_text(document, row.base_minor))
    _text(tax, "CategoryCode", row.category)
    _day(tax, "TaxPointDate", document.tax_point_on, kind="DateString")
    if row.category != "O":
        _text(tax, "RateApplicablePercent", rate_text(row.rate_bp))


def _totals(settlement: Element, document: BusinessDocument) -> None:
    totals = _group(settlement, "SpecifiedTradeSettlementHeaderMonetarySummation")
    _text(totals, "LineTotalAmount", money_text(document, document.net_minor))
    _text(totals, "TaxBasisTotalAmount", money_text(document, document.net_minor))
    tax = money_text(document, document.tax_minor)
    _text(totals, "TaxTotalAmount", tax, currencyID=document.currency)
    if document.rounding_minor:
        _text(totals, "RoundingAmount", money_text(document, document.rounding_minor))
    _text(totals, "GrandTotalAmount", money_text(document, document.gross_minor))
    if document.paid_minor:
        _text(totals, "TotalPrepaidAmount", money_text(document, document.paid_minor))
    _text(totals, "DuePayableAmount", money_text(document, document.payable_minor))
