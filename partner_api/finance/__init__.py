"""The door of finance: books, approvals, tariffs, invoices, payments, partners, bank, periods."""
