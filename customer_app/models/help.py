"""Help: writing to us with everything attached, the list of cases, and a thread."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.client_support import Question
from customer_app.api.errors import ApiError, Kind
from customer_app.api.wire_support import CaseMade, CaseRow, CaseThread
from customer_app.models.base import Model
from customer_app.models.commands import Keep, Means
from customer_app.models.files import FILE_BYTES, FilesModel, media_of

TOPICS = (
    "question",
    "complaint",
    "incident",
    "repair",
    "refund",
    "damage",
    "data",
    "emergency",
)
SUBJECT_CHARACTERS, TEXT_CHARACTERS = 120, 2000
BYTES_OF_A_LETTER = 6  # at most, as JSON writes a letter
DRAFT, DRAFT_BYTES = "mg.draft.help", 4 * 1024
TYPED = "mg.draft.typed"  # what is being typed: given back to its writer, never sent by itself
TYPING_S = 0.5
REFERENCES_MOST = 3
_OPEN_BOOKINGS = {"RESERVED", "ALLOCATED", "PRESENTED"}


@observable
class HelpModel(FilesModel):
    """The driver's cases, and a question that is being written.

    What is attached is what the driver is in the middle of. A question that could not be sent for
    want of a network is kept on the device and sent on the next `load`. What is typed is kept there
    a moment later, so that it outlives this session.
    """

    def __init__(
        self,
        client: ApiClient,
        means: Means,
        keep: Keep,
        references: Sequence[str],
        *,
        is_signed_in: bool,
    ) -> None:
        FilesModel.__init__(self, client, means)
        self._client = client
        self._keep = keep
        self._sending = means.intention()
        self._is_signed_in = is_signed_in
        self._pause = means.pause
        self._typed = ""  # what the device keeps of it
        self.references = tuple(references)[:REFERENCES_MOST]
        self.cases: tuple[CaseRow, ...] = ()
        self.next_cursor = ""
        self.booking_id = ""
        self.swap_id = ""
        self.station_id = ""
        self.pack_id = ""
        self.topic = TOPICS[0]
        self.subject = ""
        self.text = ""
        self.needs_subject = False
        self.needs_text = False
        self.is_writing = False
        self.is_kept = False
        self.sent: CaseMade | None = None

    @override
    async def fetch(self) -> None:
        """Send what waits, read the cases, and see what the driver is in the middle of."""
        if not self._is_signed_in:
            return
        await self._send_kept()
        await self._give_back()
        page = await self._client.cases()
        self.cases, self.next_cursor = page.items, page.next_cursor
        await self._look_around()

    def wants(self, kind: str, _object_id: str) -> bool:
        """Follow answers."""
        return kind.startswith("case")

    async def _look_around(self) -> None:
        """Find booking, swap and pack; without them a question can be sent all the same."""
        try:
            bookings = (await self._client.bookings()).items
            swaps = (await self._client.swaps()).items
            packs = (await self._client.my_packs()).items
        except ApiError:
            return
        open_one = next((each for each in bookings if each.state in _OPEN_BOOKINGS), None)
        last = swaps[0] if swaps else None
        self.booking_id = open_one.id if open_one else ""
        self.swap_id = last.id if last else ""
        self.pack_id = packs[0].pack_id if packs else ""
        place = open_one or last
        self.station_id = place.station.id if place else ""

    def attached(self) -> tuple[str, ...]:
        """Name what goes along: words are `help.attached.<name>`."""
        names = ("booking", "swap", "station", "pack")
        found = [name for name in names if getattr(self, f"{name}_id")]
        return (*found, *(["references"] if self.references else []))

    # Writing --------------------------------------------------------------------------------

    def begin(self) -> None:
        """Open the form."""
        self.is_writing, self.sent, self.is_kept = True, None, False

    def give_up(self) -> None:
        """Close the form; what was typed stays."""
        self.is_writing = False

    def choose_topic(self, topic: str) -> None:
        """Say what it is about."""
        self.topic = topic if topic in TOPICS else self.topic

    def type_subject(self, text: str) -> None:
        """Take what is typed of the subject."""
        self.subject, self.needs_subject = text[:SUBJECT_CHARACTERS], False

    def type_text(self, text: str) -> None:
        """Take what is typed of the message."""
        self.text, self.needs_text = text[:TEXT_CHARACTERS], False

    @property
    def typed(self) -> str:
        """What is kept of a question that is being typed, as JSON; nothing when nothing is."""
        if not self.subject.strip() and not self.text.strip():
            return ""
        text = self.text
        while True:
            kept = {"topic": self.topic, "subject": self.subject, "text": text}
            draft = json.dumps({**kept, "is_open": self.is_writing}, ensure_ascii=False)
            over = len(draft.encode()) - DRAFT_BYTES
            if over <= 0:
                return draft
            text = text[: -max(1, over // BYTES_OF_A_LETTER)]

    async def keep_typed(self) -> None:
        """Keep on the device what was typed, a moment after the last letter."""
        if not self._is_signed_in or not self.has_loaded or self.typed == self._typed:
            return
        await self._pause(TYPING_S)
        self._typed = self.typed
        if self._typed:
            await self._keep.keep(TYPED, self._typed)
        else:
            await self._keep.forget(TYPED)

    async def _give_back(self) -> None:
        """Give back what was typed before the session ended; never over what stands there."""
        if self.has_loaded or self.typed:
            return
        self._typed = await self._keep.read(TYPED) or ""
        found = read_typed(self._typed)
        if found is not None:
            self.choose_topic(found.topic)
            self.type_subject(found.subject)
            self.type_text(found.text)
            self.is_writing = found.is_open

    async def send(self) -> bool:
        """Send the question; without a network keep it on the device."""
        question = self._question()
        self.needs_subject, self.needs_text = not question.subject, not question.text
        if self.needs_subject or self.needs_text:
            return False

        async def work() -> None:
            self.sent = await self._sending.run(
                lambda key: self._client.open_case(question, key), question
            )
            self.subject = self.text = self._typed = ""
            self.is_writing = self.is_kept = False
            await self._keep.forget(TYPED)
            await self.send_files(self.sent.case_id)
            page = await self._client.cases()
            self.cases, self.next_cursor = page.items, page.next_cursor

        done = await self.attempt(work)
        if not done and self.error is not None and self.error.kind is Kind.OFFLINE:
            await self._keep_question(question)
        return done

    def _question(self) -> Question:
        return Question(
            self.subject.strip(),
            self.topic,
            self.text.strip(),
            swap_id=self.swap_id,
            booking_id=self.booking_id,
            station_id=self.station_id,
            pack_id=self.pack_id,
            references=self.references,
        )

    async def _keep_question(self, question: Question) -> None:
        text = json.dumps(question.body(), ensure_ascii=False)
        if len(text.encode()) <= DRAFT_BYTES:
            await self._keep.keep(DRAFT, text)
            self.is_kept, self.is_writing = True, False
            self.error = None
            self._typed = self.typed  # it waits to be sent, so it need not be given back
            await self._keep.forget(TYPED)

    async def _send_kept(self) -> None:
        kept = read_question(await self._keep.read(DRAFT))
        if kept is None:
            await self._keep.forget(DRAFT)
            return
        self.sent = await self._sending.run(lambda key: self._client.open_case(kept, key), kept)
        await self._keep.forget(DRAFT)
        self.is_kept = False
        self.subject = self.text = ""
        await self.send_files(self.sent.case_id)


@dataclass(frozen=True, slots=True)
class Typed:
    """A question as far as it was typed, and whether its form was open."""

    topic: str
    subject: str
    text: str
    is_open: bool


def read_typed(text: str) -> Typed | None:
    """Read what was typed; anything else than what we wrote counts as nothing."""
    try:
        found = Typed(**json.loads(text))
    except (ValueError, TypeError):
        return None
    is_ours = all(isinstance(each, str) for each in (found.topic, found.subject, found.text))
    return found if is_ours and isinstance(found.is_open, bool) else None


def read_question(text: str | None) -> Question | None:
    """Read a question that was kept; anything else than what we wrote counts as nothing."""
    try:
        found = json.loads(text or "")
        return Question(**{**found, "references": tuple(found["references"])})
    except (ValueError, KeyError, TypeError):
        return None


@observable
class CaseModel(Model):
    """A thread: what was said, a reply, and files."""

    def __init__(self, client: ApiClient, means: Means, case_id: str) -> None:
        Model.__init__(self)
        self._client = client
        self._replying = means.intention()
        self._attaching = means.intention()
        self.case_id = case_id
        self.case: CaseThread | None = None
        self.text = ""
        self.needs_text = False
        self.file_is_bad = False
        self.is_sending_file = False

    @override
    async def fetch(self) -> None:
        """Read the thread."""
        self.case = await self._client.case(self.case_id)

    def wants(self, _kind: str, object_id: str) -> bool:
        """Follow this case."""
        return object_id == self.case_id

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be said here."""
        return self.case is not None and self.case.state == "CLOSED"

    def type_text(self, text: str) -> None:
        """Take what is typed."""
        self.text, self.needs_text = text[:TEXT_CHARACTERS], False

    async def reply(self) -> bool:
        """Send the reply."""
        text = self.text.strip()
        self.needs_text = not text
        if self.needs_text:
            return False

        async def send() -> None:
            await self._replying.run(lambda key: self._client.reply(self.case_id, text, key), text)
            self.text = ""
            await self.fetch()

        return await self.attempt(send)

    async def attach(self, content: bytes) -> bool:
        """Send a file; only pictures and PDFs of up to 10 MiB, judged by their content."""
        media_type = media_of(content)
        self.file_is_bad = not media_type or len(content) > FILE_BYTES
        if self.file_is_bad:
            return False
        self.is_sending_file = True

        async def send() -> None:
            await self._attaching.run(
                lambda key: self._client.attach(self.case_id, media_type, content, key),
                hash(content),
            )
            await self.fetch()

        try:
            return await self.attempt(send)
        finally:
            self.is_sending_file = False
