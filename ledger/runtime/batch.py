"""One batch as a pure fold: requests and the world they meet become entries, rows and receipts.

For each request: answered before? authorised? then the rule decides, and every draft becomes an
entry: postings, zero check, links, canonical bytes, leaf hash; then the world moves on, and what
must follow at once (`reactions`) joins the same command. A request that is refused leaves nothing
but its receipt; the requests around it are not disturbed.
"""

import msgspec

from ledger.domain import access, chains
from ledger.domain.catalogue import COMMANDS, EVENTS, EventRule
from ledger.domain.money.posting_dates import BOOKS, CALENDAR, books_of
from ledger.domain.opening import OpenLedger
from ledger.domain.world import Stamp, World, row_bytes
from ledger.kernel.envelope import (
    ENTRY_BYTES_MAX,
    ENVELOPE_VERSION,
    Envelope,
    canonical,
    command_key,
    seal,
)
from ledger.kernel.errors import InvariantBroken, Malformed
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.messages import Actor, Command, Draft, Outcome, Receipt, Request
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.runtime.limits import Limits, Read
from ledger.runtime.openings import opening_rows
from ledger.runtime.posted import Balances, add_to, link_row, posting_rows
from ledger.runtime.reactions import react
from ledger.store.append import Row, Rows
from ledger.store.erasures import rows_of_orders
from ledger.store.loading import Kept

REACTION_DEPTH = 4
POLICY_VERSION = "1"
SYSTEM = Actor(id="system", role="system")

ReceiptKey = tuple[str, bytes]


class _Staged:
    """What one command has made so far; thrown away whole when the command is refused."""

    def __init__(self, batch: "Batch", request: Request) -> None:
        self.batch = batch
        self.request = request
        self.position = self.first = batch.position
        self.recorded_at = max(batch.recorded_at, request.at)
        self.public_key = command_key(batch.ledger, request.principal, request.key)
        self.entry_id = self.public_key.hex()[:32]
        self.leaves: list[bytes] = []
        self.entries: list[Row] = []
        self.entry_packs: list[Row] = []
        self.postings: list[Row] = []
        self.openings: list[Row] = []

    def run(self, command: Command, outcome: Outcome, actor: Actor, depth: int) -> Refusal | None:
        """Turn an outcome into entries, and what must follow it likewise."""
        if isinstance(outcome, Refusal):
            return outcome
        base = self.position
        followers: list[Command] = []
        for draft in outcome:
            stamp = self._enter(draft, actor, base)
            if isinstance(stamp, Refusal):
                return stamp
            followers.extend(react(self.batch.world, draft.event, stamp))
        if followers and depth == REACTION_DEPTH:
            raise InvariantBroken(f"{type(command).__name__}: reactions deeper than {depth}")
        for follower in followers:
            rule = COMMANDS[type(follower)]
            inner = msgspec.structs.replace(self.request, command=follower, actor=SYSTEM)
            answer = rule.decide(self.batch.world, follower, inner)
            refusal = self.run(follower, answer, SYSTEM, depth + 1)
            if refusal is not None:
                raise InvariantBroken(f"{type(follower).__name__} refused: {refusal.code.wire}")
        return None

    def _enter(self, draft: Draft, actor: Actor, base: int) -> Stamp | Refusal:
        event = draft.event
        rule = EVENTS[type(event)]
        world = self.batch.world
        position = self.position
        envelope = self._envelope(draft, rule, actor, base)
        try:
            data = seal(envelope)
        except Malformed as error:
            return Refusal(RefusalCode.MALFORMED_ENTRY, {"rule": error.rule})
        if len(data) > ENTRY_BYTES_MAX:
            return Refusal(RefusalCode.ENTRY_TOO_LONG, {"bytes": len(data)})
        leaf = leaf_hash(data)
        valid_at = envelope.valid_at
        world.position = position
        self.leaves.append(leaf)
        self.entries.append((position, event.kind, self.recorded_at, valid_at, data))
        for link in envelope.packs:
            chains.extend(world, link, position, leaf)
            self.entry_packs.append(link_row(link, position))
        self.postings += posting_rows(envelope.postings, position, valid_at)
        if draft.openings or event.sealed_fields:
            self.openings += opening_rows(draft, position)
        stamp = Stamp(position, valid_at, self.recorded_at)
        for fold in rule.folds:
            fold(world, event, stamp)
        self.position = position + 1
        return stamp

    def _envelope(self, draft: Draft, rule: EventRule, actor: Actor, base: int) -> Envelope:
        event = draft.event
        position = self.position
        observed = draft.observed
        world = self.batch.world
        postings = rule.postings(event)
        books = None
        if postings:
            check_zero(postings)
            valid_at = draft.occurred_at or self.recorded_at
            books = books_of(world.get(CALENDAR, BOOKS), event, valid_at, self.recorded_at)
        return Envelope(
            v=ENVELOPE_VERSION,
            ledger=self.batch.ledger,
            position=position,
            entry_id=f"{self.entry_id}-{position - self.first}",
            kind=event.kind,
            version=event.version,
            command_key=self.public_key,
            actor=actor,
            policy_version=POLICY_VERSION,
            recorded_at=self.recorded_at,
            occurred_at=draft.occurred_at or None,
            received_at=observed.received_at if observed else None,
            clock=observed.clock if observed else None,
            source=observed.source if observed else None,
            evidence=observed.evidence if observed else (),
            causes=(*draft.causes, *[base + index for index in draft.after]),
            reverses=draft.reverses if draft.reverses >= 0 else None,
            corrects=draft.corrects if draft.corrects >= 0 else None,
            correlation_id=draft.correlation_id or self.request.correlation_id,
            entities=rule.entities(event),
            packs=tuple([chains.next_link(world, pack) for pack in rule.packs(event)]),
            postings=postings,
            books=books,
            sealed=draft.sealed,
            body=msgspec.Raw(canonical(event)),
        )


class Batch:
    """The running state of one batch: where the log stands, and the rows to be written."""

    def __init__(self, ledger: str, position: int, recorded_at: int, world: World) -> None:
        """Begin at the head of the log, with a world that holds all the batch touches."""
        self.ledger = ledger
        self.position = position
        self.recorded_at = recorded_at
        self.world = world
        self.leaves: list[bytes] = []
        self.rows = Rows()
        self._limits: tuple[Limits, Read] | None = None

    def within(self, limits: Limits, read: Read) -> None:
        """Hold every command from here on against the limits of the balances it lowers."""
        self._limits = limits, read

    def answer(self, request: Request, digest: bytes, known: dict[ReceiptKey, Row]) -> Receipt:
        """Answer one request; `known` holds earlier answers and takes in this one."""
        earlier = known.get((request.principal, request.key))
        if earlier is not None:
            return replayed(earlier, digest)
        receipt = self._decide(request)
        answer = canonical(receipt)
        self.rows.receipts.append((request.principal, request.key, digest, answer))
        known[(request.principal, request.key)] = (digest, answer)
        return receipt

    def _decide(self, request: Request) -> Receipt:
        command = request.command
        refusal = access.authorise(command, request.actor)
        if refusal is not None:
            return Receipt(refusal=refusal)
        if isinstance(command, OpenLedger) == bool(self.position):
            rule = "a log begins with its opening, once"
            return Receipt(refusal=Refusal(RefusalCode.MALFORMED_ENTRY, {"rule": rule}))
        self.world.begin()
        staged = _Staged(self, request)
        outcome = COMMANDS[type(command)].decide(self.world, command, request)
        refusal = staged.run(command, outcome, request.actor, 0)
        if refusal is None and staged.postings and self._limits is not None:
            limits, read = self._limits
            refusal = limits.count(staged.postings, self.world, read)
        if refusal is not None:
            self.world.undo()
            return Receipt(refusal=refusal)
        self.leaves += staged.leaves
        self.rows.entries += staged.entries
        self.rows.entry_packs += staged.entry_packs
        self.rows.postings += staged.postings
        self.rows.openings += staged.openings
        self.position = staged.position
        if staged.entries:
            self.recorded_at = staged.recorded_at
        return Receipt(first=staged.first, count=len(staged.entries))

    def finish(self, kept: Kept | None = None) -> Rows:
        """Add what is saved once for the whole batch: balances and changed view rows.

        `kept` has rows as they are stored; it tells which of them stay in their list.
        """
        sums: Balances = {}
        add_to(sums, self.rows.postings)
        self.rows.balances = [(*key, *changed) for key, changed in sums.items()]
        self.rows.erasures, self.rows.outbox = rows_of_orders(self.rows.entries)
        views, staying = self.rows.views, self.rows.staying
        for shelf, name, row, at in self.world.changed():
            listed = shelf.listed_by(row)
            before = kept.of(shelf.name).get(name) if kept else None
            stays = before is not None and shelf.listed_by(before) == listed
            written = staying if stays else views
            written.setdefault(shelf.name, []).append((name, at, listed, row_bytes(row)))
        return self.rows


def replayed(earlier: Row, digest: bytes) -> Receipt:
    """Give the stored answer again; the same key with another body is a refusal of its own."""
    if earlier[0] != digest:
        return Receipt(refusal=Refusal(RefusalCode.KEY_REUSED), replayed=True)
    receipt = msgspec.json.decode(earlier[1], type=Receipt)
    return msgspec.structs.replace(receipt, replayed=True)
