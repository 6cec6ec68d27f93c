"""The only SQL: tables, engines, guards, the append path, reads."""
