"""Answers requests: asks the policy, binds the state, then asks the keys, in this order.

Between two steps the process may die. Before the commit nothing happened; after it the signer is
bound, and the same request gives the same note; after the journal the note exists and is given
again. One caller at a time, because the keyring knows one thread.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import ParamSpec, TypeVar, assert_never

from ledger.kernel.errors import (
    Malformed,
    NotFound,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.instants import SECOND
from ledger.signer import policy, wire
from ledger.signer.documents import compact, signing_input, thumbprint
from ledger.signer.policy import Head, Memory, Reading, Rules, line_key
from ledger.signer.ports import Keyring, PublicKey
from ledger.signer.schema import Signing, StoredDocument
from ledger.signer.state import SignerState
from ledger.signer.wire import Answer, Refused, Request
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.cosign import TIME_BYTES, subtree_message
from ledger.tlog.note import Note, Signature, format_note

Alarm = Callable[[str, str], None]
"""Pages a person: a code and a sentence."""

DISCARDED = "discarded"
_PLAIN = "checkpoint"
_POST_QUANTUM = "checkpoint-pq"
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class _No(Exception):
    """The answer is a refusal; nothing is in doubt."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.code)
        self.refused = refused


class Handler:
    """A signer without its socket."""

    def __init__(
        self,
        rules: Rules,
        keyring: Keyring,
        state: SignerState | None,
        read_clocks: Callable[[], Reading],
        alarm: Alarm,
    ) -> None:
        """Put a signer together; without `state` it answers `status` alone.

        Raises:
            TamperEvidence: the state is not as a signer left it.
        """
        self._rules = rules
        self._keyring = keyring
        self._state = state
        self._read_clocks = read_clocks
        self._alarm = alarm
        self._last: Memory | None = None
        self._is_sure = False
        if state is not None:
            self._check_last(state, self._recollect(state))

    def answer(self, request: Request) -> Answer:
        """Answer a request, whatever happens; what nobody expected pages a person."""
        try:
            return self._answer(request)
        except _No as no:
            return no.refused
        except Malformed as error:
            return Refused("malformed", str(error))
        except Unavailable as error:
            self._is_sure = False
            return Refused("unavailable", str(error))
        except Exception as error:  # noqa: BLE001  the signer outlives every fault of its parts
            self._is_sure = False
            self._alarm("signer_fault", f"{type(error).__name__}: {error}")
            return Refused("unavailable", "the signer failed; a person was told")

    def _answer(self, request: Request) -> Answer:
        if isinstance(request, wire.Status):
            return self._standing()
        if self._state is None:
            return Refused("no_state", "a signer without its state signs nothing")
        match request:
            case wire.Extend():
                return self._extend(self._state, request)
            case wire.SignHead():
                return self._sign_head(self._state, request)
            case wire.SignDocument():
                return self._sign_document(self._state, request)
            case wire.Confirm():
                return self._confirm(self._state, request)
            case wire.Wrap(epoch, purpose, subject, data):
                return wire.Sealed(_asked(self._keyring.wrap, epoch, purpose, subject, data))
            case wire.Unwrap(epoch, purpose, subject, data):
                return wire.Sealed(_asked(self._keyring.unwrap, epoch, purpose, subject, data))
            case wire.Rewrap(source, target, keys):
                return wire.Resealed(tuple(_asked(self._keyring.rewrap, source, target, keys)))
            case wire.Attest(label):
                return wire.Attested(_asked(self._keyring.attest, label) or b"")
            case _:
                assert_never(request)

    # What the signer knows ----------------------------------------------------

    def _recollect(self, state: SignerState) -> Memory:
        """Give what is remembered; read it again after a failure that left a doubt."""
        if self._last is None or not self._is_sure:
            stored = state.load()
            memory = policy.remember(
                stored.head, stored.signed_at, stored.block, self._read_clocks()
            )
            before = self._last.anchor if self._last else None
            if before and before.wall_us == stored.signed_at:
                memory = policy.signed(memory, before)
            self._last, self._is_sure = memory, True
        return self._last

    def _check_last(self, state: SignerState, memory: Memory) -> None:
        """See that the lines of the last head are still what our keys signed."""
        if memory.head is None:
            return
        text = policy.checkpoint_text(self._rules, memory.head)
        for line in self._lines(state, memory.head):
            key = _key_of(line)
            if self._has_line([line], line.kind) and not policy.is_line_good(
                self._rules, line.kind, text, (key, line.payload)
            ):
                raise TamperEvidence("the last head in the signer's state is not what was signed")

    def _standing(self) -> wire.Standing:
        memory = self._recollect(self._state) if self._state else None
        head = memory.head if memory else None
        return wire.Standing(
            origin=self._rules.origin,
            size=head.size if head else -1,
            root=head.root() if head else b"",
            staged_size=memory.staged.size if memory else 0,
            signed_at=memory.anchor.wall_us if memory and memory.anchor else 0,
            block=memory.block if memory else 0,
            ready=memory is not None,
            devices=self._keyring.states(),
            keys=self._rules.keys,
        )

    def _extend(self, state: SignerState, ask: wire.Extend) -> Answer:
        extended = policy.extend(self._recollect(state), ask)
        if isinstance(extended, Refused):
            return extended
        self._last = extended
        return wire.Staged(extended.staged.size, extended.staged.root())

    def _refuse(self, state: SignerState, refused: Refused, size: int, root: bytes) -> Refused:
        """Refuse; a fork blocks the signer, and pages a person."""
        if refused.code != "fork":
            return refused
        number = state.open_block(refused.code, size, root, self._read_clocks().wall_us)
        self._last = policy.blocked(self._recollect(state), number)
        self._alarm("fork", f"{refused.detail}; the signer is blocked, block {number}")
        return refused

    def _confirm(self, state: SignerState, ask: wire.Confirm) -> Answer:
        now = self._read_clocks()
        memory = self._recollect(state)
        said = policy.decide_confirmation(self._rules, memory, ask, now)
        if isinstance(said, Refused):
            return said
        state.add_confirmation(said.what, said.subject, ask, now.wall_us)
        self._last = policy.confirmed(memory, said, now)
        self._alarm("confirmed", f"two officers confirmed {said.what} {said.subject}")
        return wire.Confirmed()

    # Heads --------------------------------------------------------------------

    def _sign_head(self, state: SignerState, ask: wire.SignHead) -> Answer:
        now = self._read_clocks()
        memory = self._recollect(state)
        head = policy.decide_head(self._rules, memory, ask, now)
        if isinstance(head, Refused):
            return self._refuse(state, head, ask.size, ask.root)
        if head is not memory.head:
            state.commit_head(head)
            self._last = policy.committed(memory, head, now)
        lines = self._lines(state, head)
        for purpose in (_PLAIN, _POST_QUANTUM) if ask.pq else (_PLAIN,):
            if not self._has_line(lines, purpose):
                self._check_clock(state, now)
                lines = (*lines, *self._sign_lines(state, purpose, head, now))
        return wire.SignedNote(self._note(head, lines))

    def _lines(self, state: SignerState, head: Head) -> tuple[Signing, ...]:
        plain = state.signings(_PLAIN, head.size)
        return (*plain, *state.signings(_POST_QUANTUM, head.size))

    def _has_line(self, lines: Iterable[Signing], purpose: str) -> bool:
        """Tell whether a key of today signed: keys are exchanged over the years."""
        keys = {key.public_key for key in self._rules.pinned(purpose)}
        return any(line.kind == purpose and line.public_key in keys for line in lines)

    def _check_clock(self, state: SignerState, now: Reading) -> None:
        refused = policy.check_clock(self._rules, self._recollect(state), now)
        if refused is not None:
            raise _No(refused)

    def _sign_lines(
        self, state: SignerState, purpose: str, head: Head, now: Reading
    ) -> tuple[Signing, ...]:
        text = policy.checkpoint_text(self._rules, head)
        message, stamp = text, b""
        if purpose == _POST_QUANTUM:
            origin, time_s = self._rules.origin, now.wall_us // SECOND
            message = subtree_message(origin, time_s, origin, 0, head.size, head.root())
            stamp = time_s.to_bytes(TIME_BYTES, "big")
        signed = _asked(self._keyring.sign, purpose, message)
        made = [(key, stamp + signature) for key, signature in signed]
        good = [policy.is_line_good(self._rules, purpose, text, line) for line in made]
        is_good = bool(good) and all(good)
        kind = purpose if is_good else DISCARDED
        at = (kind, "", head.size, now)
        return self._journal(
            state, [_signing(*line, message, at) for line in made], now, is_good=is_good
        )

    def _journal(
        self, state: SignerState, rows: list[Signing], now: Reading, *, is_good: bool
    ) -> tuple[Signing, ...]:
        """Write down what the keys gave, good or not; only the good goes on."""
        state.add_signings(rows)
        self._last = policy.signed(self._recollect(state), now)
        if not is_good:
            self._alarm("wrong_signature", "a signature did not verify under a pinned key")
            raise _No(Refused("wrong_signature", "a signature was wrong and did not leave"))
        return tuple(rows)

    def _note(self, head: Head, lines: Iterable[Signing]) -> bytes:
        """Write the note and check all of it once more, what came from the disk too."""
        signatures = []
        for line in lines:
            named = line_key(self._rules.origin, _key_of(line))
            signatures.append(Signature(named.name, named.key_id, line.payload))
        note = format_note(Note(policy.checkpoint_text(self._rules, head), tuple(signatures)))
        open_checkpoint(note, self._rules.origin, self._rules.verifiers())
        return note

    # Documents ----------------------------------------------------------------

    def _sign_document(self, state: SignerState, ask: wire.SignDocument) -> Answer:
        now = self._read_clocks()
        root = state.root_signed(ask.size)
        said = policy.decide_document(self._rules, self._recollect(state), ask, root)
        if isinstance(said, Refused):
            return self._refuse(state, said, ask.size, ask.root)
        document = StoredDocument(
            said.document_id, ask.typ, ask.key, sha256(ask.payload).digest(), ask.size, now.wall_us
        )
        known = state.document(document.document_id)
        if known is None:
            self._check_clock(state, now)
            state.commit_document(document)
        elif (known.typ, known.purpose, known.digest, known.size) != (
            document.typ,
            document.purpose,
            document.digest,
            document.size,
        ):
            return Refused("document_differs", "this document_id stands for other bytes")
        else:
            for made in state.signings(ask.key, ask.size, said.document_id):
                message = signing_input(ask.typ, thumbprint(made.public_key), ask.payload)
                if sha256(message).digest() == made.digest:
                    return wire.SignedDocument(compact(message, made.payload))
            self._check_clock(state, now)
        return self._sign_payload(state, ask, said.document_id, now)

    def _sign_payload(
        self, state: SignerState, ask: wire.SignDocument, document_id: str, now: Reading
    ) -> Answer:
        """Sign under the key of the device that answers: the header names it, so it may take two.

        When the device that was expected is out, the other one has signed a header with the wrong
        name; that signature is journaled and discarded.
        """
        expected = self._likely_key(ask.key)
        for _ in range(len(self._rules.pinned(ask.key)) + 1):
            message = signing_input(ask.typ, thumbprint(expected.public_key), ask.payload)
            signed = _asked(self._keyring.sign, ask.key, message)
            if len(signed) != 1:
                return Refused("unavailable", "no device signed the document")
            key, signature = signed[0]
            is_good = policy.is_document_good(self._rules, ask.key, message, signed[0])
            is_named = key.public_key == expected.public_key
            kind = ask.key if is_good and is_named else DISCARDED
            row = _signing(key, signature, message, (kind, document_id, ask.size, now))
            self._journal(state, [row], now, is_good=is_good)
            if is_named:
                return wire.SignedDocument(compact(message, signature))
            expected = key
        return Refused("unavailable", "the devices changed places too often")

    def _likely_key(self, purpose: str) -> PublicKey:
        """Give the key that will probably sign: the first whose device is up."""
        up = {each.device for each in self._keyring.states() if each.state == "up"}
        keys = self._rules.pinned(purpose)
        if not keys:
            raise _No(Refused("unavailable", f"no key of the purpose {purpose} is pinned"))
        return next((key for key in keys if key.device in up), keys[0])


def _asked(ask: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> _Result:
    """Ask the keyring; what it cannot do is a refusal, and leaves no doubt about the state."""
    try:
        return ask(*given, **named)
    except Unavailable as error:
        raise _No(Refused("unavailable", str(error))) from error
    except NotFound as error:
        raise _No(Refused("not_found", str(error))) from error
    except TamperEvidence as error:
        raise _No(Refused("does_not_open", str(error))) from error


def _key_of(line: Signing) -> PublicKey:
    algorithm = "ml-dsa-44" if line.kind == _POST_QUANTUM else "ed25519"
    return PublicKey("", algorithm, line.public_key, line.key_id, line.device)


def _signing(
    key: PublicKey, payload: bytes, message: bytes, where: tuple[str, str, int, Reading]
) -> Signing:
    kind, subject, size, now = where
    return Signing(
        device=key.device,
        key_id=key.key_id,
        kind=kind,
        subject=subject,
        digest=sha256(message).digest(),
        size=size,
        at=now.wall_us,
        public_key=key.public_key,
        payload=payload,
    )
