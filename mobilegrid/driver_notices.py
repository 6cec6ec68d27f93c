"""What the clock does for drivers: notices of what happened, and disputes that wait for a bill."""

from ledger.runtime import notices
from ledger.runtime.availability import Availability
from ledger.runtime.ledger import Ledger
from ledger.runtime.support_disputes import raise_waiting
from mobilegrid.clockwork import Job, Round


def jobs_of(ledger: Ledger) -> tuple[Job, ...]:
    """Give the jobs of every round; they say nothing, for what they do is seen in the inbox."""
    stations = Availability()

    def tell(given: Round) -> str:
        notices.follow(ledger)

        def last_heard(station_id: str) -> int:
            with ledger.reading() as reads:  # only asked for stations at which somebody booked
                stations.follow(reads, given.now)
            found = stations.one(station_id)
            return found.reported_at if found else 0

        notices.remind(ledger, given.now, last_heard)
        return ""

    def dispute(given: Round) -> str:
        raise_waiting(ledger, given.now)
        return ""

    return Job("notices to drivers", tell), Job("disputes of drivers", dispute)
