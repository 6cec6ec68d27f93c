"""What the clock does for drivers: notices of what happened, and disputes that wait for a bill."""

from ledger.runtime import notices
from ledger.runtime.availability import Availability
from ledger.runtime.ledger import Ledger
from ledger.runtime.notice_sending import (
    CHANNELS,
    PostOffice,
    Recipient,
    dead_letters,
    has_due,
    send,
)
from ledger.runtime.personal_texts import PersonalTexts
from ledger.runtime.support_disputes import raise_waiting
from ledger.store.notices import NoticeRow
from mobilegrid import personal, wiring
from mobilegrid.clockwork import Job, Round
from mobilegrid.post import Post, post_of
from mobilegrid.settings import Settings
from partner_api.driver.notice_words import TITLES, words_of

FIELDS = ("email", "phone", "language")
_FIELD = {"email": "email", "sms": "phone"}
INBOX = "/app/inbox"


def jobs_of(settings: Settings, ledger: Ledger) -> tuple[Job, ...]:
    """Give the jobs of every round; what they do is seen in the inbox.

    Raises:
        Misconfigured: the post that the settings name cannot be used.
    """
    post = post_of(settings)
    stations = Availability()
    carried = tuple(name for name in CHANNELS if name in post.carriers)

    def tell(given: Round) -> str:
        notices.follow(ledger, now=given.now, carried=carried)

        def last_heard(station_id: str) -> int:
            with ledger.reading() as reads:  # only asked for stations at which somebody booked
                stations.follow(reads, given.now)
            found = stations.one(station_id)
            return found.reported_at if found else 0

        notices.remind(ledger, given.now, last_heard, carried)
        return ""

    def dispute(given: Round) -> str:
        raise_waiting(ledger, given.now)
        return ""

    jobs = Job("notices to drivers", tell), Job("disputes of drivers", dispute)
    if not carried:
        return jobs
    return *jobs, Job("letters to drivers", lambda given: send_out(settings, ledger, post, given))


def send_out(settings: Settings, ledger: Ledger, post: Post, given: Round) -> str:
    """Send what is due to leave the house; says how many letters nobody took."""
    if has_due(ledger, given.now):
        with personal.reading_people(settings, ledger) as vault:
            if vault is None:
                return "ALARM letters to drivers wait, and their vault is not at hand"
            texts = PersonalTexts(ledger, vault, wiring.CLOCK, wiring.IDS)
            send(ledger, office_of(settings, post, texts), given.now, given.is_ending)
    dead = dead_letters(ledger)
    said = ", ".join(f"{count} {reason}" for reason, count in dead.items())
    return f"letters to drivers that could not be sent: {said}" if said else ""


def office_of(settings: Settings, post: Post, texts: PersonalTexts) -> PostOffice:
    """Put together who carries, who knows addresses, and who has the words."""

    def recipient(driver_id: str) -> Recipient:
        known = texts.read(driver_id, FIELDS)
        addresses = {
            channel: str(known[field]) for channel, field in _FIELD.items() if field in known
        }
        language = str(known.get("language", "")).partition("-")[0]
        return Recipient(addresses, language if language in TITLES else "en")

    def words(row: NoticeRow, language: str) -> tuple[str, str]:
        title, text = words_of(row.kind, row.body.text_key, row.body.facts, language)
        colon = "：" if language == "zh" else ": "  # noqa: RUF001
        return f"Mobile Grid{colon}{title}", f"{text}\n{settings.doors.public_url}{INBOX}\n"

    return PostOffice(post.carriers, recipient, words)
