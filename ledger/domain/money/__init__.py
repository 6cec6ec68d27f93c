"""The rules of money: tariffs, bills, invoices, payments, partners, settlement, the books."""
