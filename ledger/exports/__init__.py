"""Our history in other people's formats: books, log tiles, tables."""
