"""A session as a program holds it, and the parameters that a pair of keys is generated from."""

from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from hsm_sim import defaults
from hsm_sim.constants import Attribute, ObjectClass, UserType
from hsm_sim.exceptions import (
    ArgumentsBad,
    AttributeTypeInvalid,
    AttributeValueInvalid,
    MultipleObjectsReturned,
    NoSuchKey,
)
from hsm_sim.identity import IdentifiedBy, override
from hsm_sim.key_commands import Application
from hsm_sim.keys import MIXINS, class_of
from hsm_sim.mechanisms import KeyType

if TYPE_CHECKING:
    from hsm_sim.library import Token


def _check_key_type(key_type: KeyType) -> None:
    if not isinstance(key_type, KeyType):
        raise ArgumentsBad("`key_type` must be KeyType.")


class Session(IdentifiedBy):
    """A session on a token.

    What is found or made is given as `Any`: which methods a key has depends on its uses.
    """

    def __init__(
        self, process: Application, token: "Token", handle: int, *, rw: bool, user_type: UserType
    ) -> None:
        self.process = process
        self.token = token
        self.handle = handle
        self.rw = rw
        self.user_type = user_type

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @override
    def _identity(self) -> Hashable:
        return "session", self.token, self.handle

    def close(self) -> None:
        """Log out, if this session logged in, then close; when that fails it stays open."""
        if self.user_type is not UserType.NOBODY:
            self.process.logout(self.handle)
        self.process.close_session(self.handle)

    # Finding ----------------------------------------------------------------------------------

    def object_of(self, handle: int) -> Any:
        """Make the object of a handle, with the methods its uses allow."""
        held = self.process.peek(self.handle, handle)
        uses = tuple(use for use in MIXINS if held.has(use))
        return class_of(held.object_class, uses)(self, handle)

    def get_objects(
        self, attrs: Mapping[Attribute, Any] | None = None, batch_size: int = 10
    ) -> Iterator[Any]:
        """Search; the search stays open, and blocks others, until it is read to its end."""
        assert batch_size > 0
        handles = self.process.begin_search(self.handle, attrs or {})
        try:
            for handle in handles:
                yield self.object_of(handle)
        finally:
            self.process.end_search(self.handle)

    def get_key(
        self,
        object_class: ObjectClass | None = None,
        key_type: KeyType | None = None,
        label: str | None = None,
        id: bytes | None = None,  # noqa: A002  the library's name
    ) -> Any:
        """Find the one key; `NoSuchKey` or `MultipleObjectsReturned` otherwise."""
        given = {
            Attribute.CLASS: object_class,
            Attribute.KEY_TYPE: key_type,
            Attribute.LABEL: label,
            Attribute.ID: id,
        }
        wanted = {key: value for key, value in given.items() if value is not None}
        if not wanted:
            raise ArgumentsBad("Must specify at least one search parameter.")
        found = list(self.get_objects(wanted))
        if not found:
            raise NoSuchKey(f"No key matching {wanted}")
        if len(found) > 1:
            raise MultipleObjectsReturned(f"More than 1 key matches {wanted}")
        return found[0]

    # Making -----------------------------------------------------------------------------------

    def generate_key(self, key_type: KeyType, key_length: int | None = None, **options: Any) -> Any:
        """Generate a secret key.

        Keywords: id, label, store, capabilities, mechanism, mechanism_param, template.
        """
        _check_key_type(key_type)
        defaults.known(options, defaults.MAKING)
        if key_length is None:
            raise ArgumentsBad("Must provide `key_length'")
        mechanism = defaults.chosen(defaults.GENERATE, key_type, options.get("mechanism"))
        length = {Attribute.VALUE_LEN: key_length // 8}
        template = defaults.template_for(
            ObjectClass.SECRET_KEY, key_type, options, length, options.get("template")
        )
        return self.object_of(self.process.generate_key(self.handle, mechanism, template))

    def generate_keypair(
        self, key_type: KeyType, key_length: int | None = None, **options: Any
    ) -> tuple[Any, Any]:
        """Generate a pair that needs no parameters, ML-DSA for one."""
        assert key_length is None or key_length > 0
        _check_key_type(key_type)
        said = options.get("public_template") or {}
        if key_type is KeyType.ML_DSA and Attribute.PARAMETER_SET not in said:
            raise ArgumentsBad("ML-DSA key generation requires `Attribute.PARAMETER_SET`")
        return self.pair_from(key_type, {}, options)

    def pair_from(
        self,
        key_type: KeyType,
        parameters: Mapping[Attribute, Any],
        options: Mapping[str, Any],
    ) -> tuple[Any, Any]:
        """Generate a pair from parameters."""
        defaults.known(options, defaults.MAKING_PAIR)
        mechanism = defaults.chosen(defaults.GENERATE, key_type, options.get("mechanism"))
        templates = [
            defaults.template_for(object_class, key_type, options, *more)
            for object_class, more in (
                (ObjectClass.PUBLIC_KEY, (parameters, options.get("public_template"))),
                (ObjectClass.PRIVATE_KEY, (options.get("private_template"),)),
            )
        ]
        public, private = self.process.generate_pair(self.handle, mechanism, *templates)
        return self.object_of(public), self.object_of(private)

    def create_object(self, attrs: Mapping[Attribute, Any]) -> Any:
        """Bring in an object."""
        return self.object_of(self.process.create_object(self.handle, defaults.merged({}, attrs)))

    def create_domain_parameters(
        self,
        key_type: KeyType,
        attrs: Mapping[Attribute, Any],
        *,
        local: bool = False,
        store: bool = False,
    ) -> "DomainParameters":
        """Hold the parameters of a pair in the program; the device itself keeps none."""
        if local and store:
            raise ArgumentsBad("Cannot set both `local` and `store`")
        if not local:
            raise AttributeValueInvalid("this device holds no parameters")
        return DomainParameters(self, key_type, dict(attrs))

    # The rest ---------------------------------------------------------------------------------

    def generate_random(self, nbits: int) -> bytes:
        """Draw random bytes; the length is in bits."""
        if nbits < 8:  # noqa: PLR2004  a byte
            raise ValueError("at least 8 bits")
        return self.process.random(self.handle, nbits // 8)

    def set_pin(self, old_pin: str, new_pin: str) -> None:
        """Change the PIN of who is logged in."""
        self.process.set_pin(self.handle, old_pin.encode(), new_pin.encode())

    def init_pin(self, pin: str) -> None:
        """Give the user a PIN, as security officer."""
        self.process.init_pin(self.handle, pin.encode())


class DomainParameters:
    """Parameters of a pair, held by the program."""

    object_class = ObjectClass.DOMAIN_PARAMETERS
    handle = None

    def __init__(self, session: Session, key_type: KeyType, params: dict[Attribute, Any]) -> None:
        self.session = session
        self.key_type = key_type
        self.params = params

    def __getitem__(self, key: Attribute) -> Any:
        if key not in self.params:
            raise AttributeTypeInvalid(key.name)
        return self.params[key]

    def __setitem__(self, key: Attribute, value: Any) -> None:
        self.params[key] = value

    def generate_keypair(self, **options: Any) -> tuple[Any, Any]:
        """Generate a pair.

        Keywords: id, label, store, capabilities, mechanism, mechanism_param, public_template,
        private_template.
        """
        named = {key: self.params[key] for key in (Attribute.EC_PARAMS,) if key in self.params}
        return self.session.pair_from(self.key_type, named, options)
