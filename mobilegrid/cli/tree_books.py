"""The part of the tree of commands that finance teams use: assets, periods, entries by hand."""

from mobilegrid.cli.base import LazyGroup, Member


def _at(module: str, name: str, summary: str) -> Member:
    return Member(f"mobilegrid.cli.{module}:{name}", summary)


BOOKS: dict[str, Member | LazyGroup] = {
    "assets": LazyGroup(
        "assets",
        "Value packs in the books.",
        {
            "policy": _at("assets", "policy", "Release how packs are depreciated; two persons."),
            "capitalise": _at(
                "assets", "capitalise", "Take a bought pack into the assets; two persons."
            ),
            "repair": _at("assets", "repair", "Add a repair to the cost; two persons."),
            "recover": _at("assets", "recover", "Take a found pack back in; two persons."),
            "depreciate": _at("assets", "depreciate", "Depreciate every pack to a day."),
            "list": _at("assets", "list_", "Show what packs are worth in the books."),
        },
    ),
    "period": LazyGroup(
        "period",
        "Keep the books by months, and close them.",
        {
            "open": _at("period", "open_", "Begin to keep periods with a month; once."),
            "status": _at("period", "status", "Show which periods are open, closing and closed."),
            "checklist": _at("period", "checklist_", "Ask every item of a close."),
            "close": _at("period", "close", "Close a period on its checklist; two persons."),
            "reopen": _at("period", "reopen", "Open the last closed period; two persons."),
            "report": _at("period", "report", "Show the report of a period, and write its bytes."),
            "file": _at("period", "file_", "Record that a report was handed to somebody."),
        },
    ),
    "entry": LazyGroup(
        "entry",
        "Book by hand what no rule books.",
        {
            "post": _at("entry", "post", "Post lines by hand; two persons, a reason, a document."),
            "reverse": _at("entry", "reverse", "Reverse an entry by hand, whole; two persons."),
        },
    ),
    "fx": LazyGroup(
        "fx",
        "Exchange money, and value what is left at a day's rate.",
        {
            "exchange": _at("fx", "exchange", "Book an exchange as the bank made it; two persons."),
            "value": _at("fx", "value", "Show what a pair of currencies is worth at a rate."),
            "revalue": _at(
                "fx", "revalue", "Book what a pair gained by a day's rate; two persons."
            ),
        },
    ),
}
