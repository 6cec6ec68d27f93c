"""Edits behind the ledger's back: SQL for a SQLite town of `SIZE` entries, and what is then said.

`PLAIN` is found by `verify`, which hashes all bytes and adds all postings up; `DEEP` only by
`verify --deep`, which replays every rule and compares every table with the log.
"""

TOWN = 37
"""Entries of the town; parties fill the log up to `SIZE`: one full tile and an open one."""

SIZE = 300
LEVEL_1 = SIZE - 256

FLIP = "bytes = CAST(substr(bytes, 1, 9) || x'21' || substr(bytes, 11) AS BLOB)"
INSERT_POSTING = (
    "INSERT INTO posting SELECT log_id, stretch, account, item, position, line + 50, commodity"
)
OF_290 = """CAST(answer AS TEXT) LIKE '%"first":290}'"""
NO_SUCH = """CAST('{"count":1,"first":900}' AS BLOB)"""

PLAIN = {
    "entry: a byte in a full tile": (f"UPDATE entry SET {FLIP} WHERE position = 5", "position 5:"),
    "entry: a byte in the open tile": (
        f"UPDATE entry SET {FLIP} WHERE position = 270",
        "position 270:",
    ),
    "entry: shorter": (
        "UPDATE entry SET bytes = substr(bytes, 1, 40) WHERE position = 20",
        "position 20:",
    ),
    "entry: two swapped": (
        (
            "UPDATE entry SET bytes = (SELECT bytes FROM entry e WHERE e.position = 31 - "
            "entry.position) WHERE position IN (14, 17)"
        ),
        "position 14:",
    ),
    "entry: the first deleted": ("DELETE FROM entry WHERE position = 0", "position 0:.*missing"),
    "entry: one deleted": ("DELETE FROM entry WHERE position = 100", "position 100:.*missing"),
    "entry: the last deleted": (
        f"DELETE FROM entry WHERE position = {SIZE - 1}",
        f"position {SIZE - 1}:.*missing",
    ),
    "entry: all deleted": ("DELETE FROM entry", "position 0:.*missing"),
    "entry: one added": (
        (
            f"INSERT INTO entry SELECT 1, {SIZE}, kind, recorded_at, occurred_at, bytes FROM entry "
            "WHERE position = 1"
        ),
        f"position {SIZE}:.*beyond the head",
    ),
    "entry: one before the first": (
        (
            "INSERT INTO entry SELECT 1, -1, kind, recorded_at, occurred_at, bytes FROM entry "
            "WHERE position = 1"
        ),
        "position -1:.*beyond the head",
    ),
    "posting: a quantity": (
        "UPDATE posting SET quantity = quantity + 1 WHERE position = 21 AND line = 0",
        "EUR sum to 1, not to zero",
    ),
    "posting: two quantities that still balance": (
        (
            "UPDATE posting SET quantity = quantity + CASE line WHEN 0 THEN 100 ELSE -100 END "
            "WHERE position = 21 AND line < 2"
        ),
        "balance of .* is not the sum",
    ),
    "posting: deleted": ("DELETE FROM posting WHERE position = 19 AND line = 0", "WH sum to 20000"),
    "posting: all of an entry deleted": (
        "DELETE FROM posting WHERE position = 21",
        "balance of .* is not the sum",
    ),
    "posting: inserted": (
        f"{INSERT_POSTING}, 7, occurred_at FROM posting WHERE position = 21 AND line = 0",
        "EUR sum to 7",
    ),
    "posting: another account": (
        "UPDATE posting SET account = 'Income:Gifts' WHERE position = 21 AND line = 1",
        "balance of Income:",
    ),
    "posting: another commodity": (
        "UPDATE posting SET commodity = 'USD' WHERE position = 21 AND line < 2",
        "sum to",
    ),
    "posting: more than can be added up": (
        "UPDATE posting SET quantity = 9223372036854775807 WHERE position = 21",
        "cannot be read|sum to",
    ),
    "posting: another stretch": (
        "UPDATE posting SET stretch = 1 WHERE position = 21 AND line = 1",
        "position 21: posting: a row lies in another stretch",
    ),
    "posting: a stretch below the first": (
        "UPDATE posting SET stretch = -1 WHERE position = 21",
        "position 21: posting: a row lies in another stretch",
    ),
    "link: another stretch": (
        "UPDATE entry_pack SET stretch = 1 WHERE position = 17",
        "position 17: entry_pack: a row lies in another stretch",
    ),
    "balance: a quantity": (
        "UPDATE balance SET quantity = quantity - 1 WHERE account = 'Income:Energy'",
        "position 35: the balance of Income:Energy is not the sum",
    ),
    "balance: deleted": (
        "DELETE FROM balance WHERE account = 'Income:Energy'",
        "position 35: the balance of Income:Energy",
    ),
    "balance: invented": (
        "INSERT INTO balance VALUES (1, 'Income:Gifts', '', 'EUR', 5, 21)",
        "position 21: the balance of Income:Gifts",
    ),
    "tile: a byte": (
        "UPDATE tile SET data = CAST(x'00' || substr(data, 2) AS BLOB) WHERE level = 0",
        "position 0: the bytes are not those that were hashed",
    ),
    "tile: its last hash": (
        "UPDATE tile SET data = CAST(substr(data, 1, 255 * 32) || substr(data, 1, 32) AS BLOB)",
        "position 255:",
    ),
    "tile: deleted": ("DELETE FROM tile", "position 0: tile 0/0 is missing"),
    "tile: invented": ("INSERT INTO tile SELECT 1, 0, 1, data FROM tile", "tile 0/1 .* too many"),
    "tile: one of a level that is not there": (
        "INSERT INTO tile SELECT 1, 3, 0, data FROM tile",
        "tile 3/0 .* too many",
    ),
    "head: the root": ("UPDATE log SET root = zeroblob(32)", f"position {SIZE}:.*another root"),
    "head: the frontier": ("UPDATE log SET frontier = zeroblob(length(frontier))", "another root"),
    "head: the open tile": (
        "UPDATE log SET edge = CAST(substr(edge, 1, 32) || zeroblob(length(edge) - 32) AS BLOB)",
        "position 257:",
    ),
    "head: smaller": (f"UPDATE log SET size = {SIZE - 1}", f"position {SIZE - 1}:"),
    "head: larger": (f"UPDATE log SET size = {SIZE + 1}", f"position {SIZE}:.*missing"),
    "head: nothing": ("UPDATE log SET size = 0", "position 256:|position 0:"),
    "head: the time": (
        "UPDATE log SET recorded_at = recorded_at + 1",
        f"position {SIZE - 1}:.*another time",
    ),
}

DEEP = {
    "entry: the kind beside the bytes": (
        "UPDATE entry SET kind = 'pack_lost' WHERE position = 17",
        "position 17: the columns",
    ),
    "entry: the time beside the bytes": (
        "UPDATE entry SET recorded_at = recorded_at + 1 WHERE position = 17",
        "position 17: the columns",
    ),
    "entry: the valid time beside the bytes": (
        "UPDATE entry SET occurred_at = 0 WHERE position = 30",
        "position 30: the columns",
    ),
    "posting: a pair invented on one account": (
        (
            f"{INSERT_POSTING}, 7, occurred_at FROM posting WHERE position = 21 AND line = 0 "
            "UNION ALL SELECT log_id, stretch, account, item, position, 60, commodity, -7, "
            "occurred_at FROM posting WHERE position = 21 AND line = 0"
        ),
        "position 21: the posting rows",
    ),
    "posting: the valid time": (
        "UPDATE posting SET occurred_at = 0 WHERE position = 28 AND line = 0",
        "position 28: the posting rows",
    ),
    "posting: of another entry": (
        "UPDATE posting SET position = 30 WHERE position = 28",
        "position 28: the posting rows",
    ),
    "posting: beyond the head": (
        f"UPDATE posting SET position = {SIZE} WHERE position = 28",
        f"position {SIZE}: a posting stands beyond",
    ),
    "posting and balance, hand in hand": (
        (
            "UPDATE posting SET account = 'Income:Gifts' WHERE account = 'Income:Energy'; "
            "UPDATE balance SET account = 'Income:Gifts' WHERE account = 'Income:Energy'"
        ),
        "position 21: the posting rows",
    ),
    "balance: the position": (
        "UPDATE balance SET position = 1 WHERE account = 'Income:Energy'",
        "position 1: the balance of Income:Energy",
    ),
    "link: the count": (
        "UPDATE entry_pack SET count = 90 WHERE position = 12",
        "position 12: the pack index",
    ),
    "link: deleted": (
        "DELETE FROM entry_pack WHERE position = 17",
        "position 17: the pack index",
    ),
    "link: of another pack": (
        "UPDATE entry_pack SET pack = 'PK-9' WHERE position = 17",
        "position 17: the pack index",
    ),
    "link: invented": (
        "INSERT INTO entry_pack VALUES (1, 0, 'PK-1', 99, 20)",
        "position 20: the pack index",
    ),
    "link: beyond the head": (
        f"INSERT INTO entry_pack VALUES (1, 0, 'PK-1', 99, {SIZE})",
        f"position {SIZE}: a pack's link stands beyond",
    ),
    "receipt: another answer": (
        f"UPDATE receipt SET answer = {NO_SUCH.replace('900', '2')} WHERE {OF_290}",
        "position 2: the receipt",
    ),
    "receipt: deleted": (
        f"DELETE FROM receipt WHERE {OF_290}",
        "position 290: the receipt",
    ),
    "receipt: of another request": (
        f"UPDATE receipt SET principal = 'eve' WHERE {OF_290}",
        "position 290: the receipt",
    ),
    "receipt: invented": (
        f"INSERT INTO receipt VALUES (1, 'eve', x'00', x'00', {NO_SUCH})",
        "position 900: a receipt stands beyond",
    ),
    "receipt: no answer": (
        "INSERT INTO receipt VALUES (1, 'eve', x'00', x'00', x'00')",
        "a receipt of eve",
    ),
    "view: a state": (
        (
            "UPDATE view_packs SET state = CAST(replace(state, 'DR-1', 'DR-2') AS BLOB) "
            "WHERE key = 'PK-1'"
        ),
        "view_packs: the row PK-1 differs",
    ),
    "view: a state that is none": (
        "UPDATE view_packs SET state = x'ff' WHERE key = 'PK-1'",
        "view_packs: the row PK-1 differs",
    ),
    "view: what it is listed by": (
        "UPDATE view_packs SET listed = 'nowhere' WHERE key = 'PK-2'",
        "view_packs: the row PK-2 differs",
    ),
    "view: a position": (
        "UPDATE view_slots SET position = 1 WHERE key = 'ST-1|1'",
        "position 1: view_slots: the row ST-1|1",
    ),
    "view: a row deleted": (
        "DELETE FROM view_parties WHERE key = 'DR-2'",
        "position 4: view_parties: the row DR-2 is missing",
    ),
    "view: a row invented": (
        "INSERT INTO view_parties SELECT 1, 'DR-0', 3, listed, state FROM view_parties LIMIT 1",
        "position 3: view_parties: the row DR-0 differs",
    ),
    "log: the origin": (
        "UPDATE log SET origin = 'log.example.net/log/other'",
        "position 0:.*origin",
    ),
    "log: the name": ("UPDATE log SET ledger = 'other'", "position 0:.*belongs to town"),
}
