"""The pack in the driver's hands: its health over time, its holds, its passport."""

from collections.abc import Callable
from datetime import datetime, timedelta

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.errors import ApiError, Kind
from customer_app.api.wire_packs import Attribute, Health, MyPack, PackNotice, Passport
from customer_app.models.base import Model

OLD_AFTER = timedelta(days=90)
MEASURED = "soh_stale"


@observable
class PackModel(Model):
    """The packs that the driver holds, and the health of the one on screen."""

    def __init__(self, client: ApiClient, now: Callable[[], datetime]) -> None:
        Model.__init__(self)
        self._client = client
        self._now = now
        self.packs: tuple[MyPack, ...] = ()
        self.chosen = ""
        self.health: Health | None = None

    @override
    async def fetch(self) -> None:
        """Read the packs, and the health of one; a chart that is not there yet is no fault."""
        self.packs = (await self._client.my_packs()).items
        if self.pack is None:
            self.health = None
            return
        try:
            self.health = await self._client.pack_health(self.pack.pack_id)
        except ApiError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            self.health = None

    @override
    def is_empty(self) -> bool:
        """Whether the driver holds no pack."""
        return not self.packs

    def wants(self, kind: str, object_id: str) -> bool:
        """Follow the packs and what changes them."""
        return kind.startswith("swap") or object_id in {each.pack_id for each in self.packs}

    @property
    def pack(self) -> MyPack | None:
        """The pack on screen: the chosen one, else the first."""
        chosen = [each for each in self.packs if each.pack_id == self.chosen]
        return next(iter(chosen or self.packs), None)

    async def choose(self, pack_id: str) -> None:
        """Show another of the packs."""
        if pack_id in {each.pack_id for each in self.packs}:
            self.chosen = pack_id
            await self.load()

    @property
    def is_measured_long_ago(self) -> bool:
        """Whether the health was told more than 90 days ago."""
        at = self.pack.measured_at if self.pack else None
        return at is not None and self._now() - at > OLD_AFTER

    @property
    def holds(self) -> tuple[PackNotice, ...]:
        """The notices that ask for an exchange, without the one on old measurements."""
        notices = self.pack.notices if self.pack else ()
        return tuple(each for each in notices if each.code != MEASURED)


@observable
class PassportModel(Model):
    """The passport of a pack, as far as the door shows it to this reader."""

    def __init__(self, client: ApiClient, pack_id: str, *, is_signed_in: bool) -> None:
        Model.__init__(self)
        self._client = client
        self._is_signed_in = is_signed_in
        self.pack_id = pack_id
        self.passport: Passport | None = None
        self.own: MyPack | None = None  # what is known of the pack itself, for its holder
        self.title = ""
        self.attributes: tuple[Attribute, ...] = ()

    @override
    async def fetch(self) -> None:
        """Read the passport; who is not its holder gets the public part by the pack's code."""
        if self._is_signed_in:
            try:
                self.passport = await self._client.passport(self.pack_id)
            except ApiError as error:
                if error.kind not in {Kind.NOT_FOUND, Kind.FORBIDDEN, Kind.UNAUTHORISED}:
                    raise
            else:
                self.title = self.passport.code
                self.attributes = self.passport.attributes
                if self.is_holder:
                    self.own = await self._client.pack(self.pack_id)
                return
        public = await self._client.public_pack(self.pack_id)
        self.passport = self.own = None
        self.title = public.code
        self.attributes = public.attributes or tuple(
            Attribute(name, name, value)
            for name, value in (
                ("class", public.pack_class),
                ("chemistry", public.chemistry),
                ("maker", public.maker),
            )
            if value
        )

    @property
    def is_holder(self) -> bool:
        """Whether the holder's part is on screen."""
        return self.passport is not None and self.passport.tier == "holder"

    def sections(self) -> list[tuple[str, list[Attribute]]]:
        """Group the attributes by section, in the order in which they come."""
        found: dict[str, list[Attribute]] = {}
        for each in self.attributes:
            found.setdefault(each.section, []).append(each)
        return list(found.items())
