"""What every view model has: a state, an error, and one way to load."""

from collections.abc import Awaitable, Callable
from enum import StrEnum

from customer_app.api.errors import ApiError, Kind


class State(StrEnum):
    """What a screen can show."""

    LOADING = "loading"
    READY = "ready"
    EMPTY = "empty"
    STALE = "stale"  # there are figures, and they could not be renewed
    OFFLINE = "offline"
    ERROR = "error"


class Model:
    """The base of view models; subclasses stand under `@observable` and fill `fetch`.

    `load` keeps what is on screen while it asks again. `error` is what the last call met: beside
    figures it is a bar, without figures it is the screen.
    """

    def __init__(self) -> None:
        self.state: State = State.LOADING
        self.error: ApiError | None = None
        self.has_loaded = False

    async def fetch(self) -> None:
        """Ask the client and keep the answer; raises `ApiError`."""
        raise NotImplementedError

    def is_empty(self) -> bool:
        """Tell whether what was fetched is nothing to show."""
        return False

    async def load(self) -> None:
        """Fetch, and let the state say how that went."""
        await self.attempt(self.fetch)

    async def attempt(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do work; what it meets becomes the state. Gives whether it succeeded."""
        try:
            await work()
        except ApiError as error:
            self.fail(error)
            return False
        self.error = None
        self.has_loaded = True
        self.state = State.EMPTY if self.is_empty() else State.READY
        return True

    def fail(self, error: ApiError) -> None:
        """Take an error: figures that are there stay, with their age."""
        self.error = error
        unheard = error.kind in {Kind.OFFLINE, Kind.TIMEOUT}
        if self.has_loaded:
            self.state = State.STALE if error.is_unanswered else State.ERROR
        else:
            self.state = State.OFFLINE if unheard else State.ERROR
