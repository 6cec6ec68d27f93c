"""What a process does with objects: find, read, change, copy, destroy, and make keys."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hsm_sim import crypto
from hsm_sim.constants import Attribute, ObjectClass, UserType
from hsm_sim.device import Command
from hsm_sim.exceptions import (
    AttributeTypeInvalid,
    AttributeValueInvalid,
    DeviceMemory,
    FunctionRejected,
    KeySizeRange,
    MechanismInvalid,
    ObjectHandleInvalid,
    OperationActive,
    PKCS11Error,
    SessionReadOnly,
    TemplateIncomplete,
    TemplateInconsistent,
    UserNotLoggedIn,
    prohibited,
)
from hsm_sim.mechanisms import KeyType, Mechanism
from hsm_sim.objects import StoredObject, Template, checked, completed, normal
from hsm_sim.officers import parameter_hash
from hsm_sim.sessions import OpenSession, Sessions
from hsm_sim.state import TokenState

_T = TypeVar("_T")
_AES_BYTES = (16, 24, 32)
_PAIRS = {
    Mechanism.EC_EDWARDS_KEY_PAIR_GEN: KeyType.EC_EDWARDS,
    Mechanism.EC_KEY_PAIR_GEN: KeyType.EC,
    Mechanism.ML_DSA_KEY_PAIR_GEN: KeyType.ML_DSA,
}


class ObjectCommands(Sessions):
    """A process, and the objects it can see."""

    # Seeing -----------------------------------------------------------------------------------

    def _held(self, session: OpenSession) -> dict[int, StoredObject]:
        """Give all objects of a token, and those of this process's sessions on it."""
        here = {
            handle: held
            for handle, held in self.objects.items()
            if self.sessions[held.session].slot == session.slot
        }
        return self._token(session).objects | here

    def _token(self, session: OpenSession) -> TokenState:
        return self.device.token(session.slot)

    def _sees(self, session: OpenSession, held: StoredObject) -> bool:
        return not held.is_private or self.logins.get(session.slot) is UserType.USER

    def object_at(
        self, session: OpenSession, handle: int, missing: type[PKCS11Error] = ObjectHandleInvalid
    ) -> StoredObject:
        """Find an object by its handle; a private one only for who is logged in."""
        found = self.objects.get(handle)
        if found is None or self.sessions[found.session].slot != session.slot:
            found = self._token(session).objects.get(handle)
        if found is None:
            raise missing(str(handle))
        if not self._sees(session, found):
            raise UserNotLoggedIn
        return found

    def on_object(
        self,
        session_handle: int,
        operation: str,
        handle: int,
        work: Callable[[OpenSession, StoredObject], _T],
    ) -> _T:
        """Do a command on an object in a session."""
        return self.device.run(
            self,
            self.about(session_handle, operation, handle),
            lambda: self._on(session_handle, handle, work),
        )

    def _on(
        self,
        session_handle: int,
        handle: int,
        work: Callable[[OpenSession, StoredObject], _T],
    ) -> _T:
        session = self.session(session_handle)
        return work(session, self.object_at(session, handle))

    def about(self, session_handle: int, operation: str, handle: int) -> Command:
        """Describe a command on an object for the audit log."""
        session = self.sessions.get(session_handle)
        slot = -1 if session is None else session.slot
        role = self.logins.get(slot, UserType.NOBODY).name.lower()
        held = self.objects.get(handle)
        if held is None and 0 <= slot < len(self.device.state.tokens):
            held = self.device.state.tokens[slot].objects.get(handle)
        key_id = b"" if held is None else held.attributes[Attribute.ID]
        return Command(operation, slot, role, key_id)

    def begin_search(self, session_handle: int, wanted: Template) -> list[int]:
        """Find the handles of objects; the search stays open until `end_search`."""
        matching = {Attribute(key): normal(Attribute(key), value) for key, value in wanted.items()}

        def work(session: OpenSession) -> list[int]:
            self.check_idle(session)
            found = [
                handle
                for handle, held in self._held(session).items()
                if self._sees(session, held) and held.matches(matching)
            ]
            session.is_searching = True
            return found

        return self.in_session(session_handle, "find_objects", work)

    def end_search(self, session_handle: int) -> None:
        """End a search, where its session is still open."""
        session = self.sessions.get(session_handle)
        if session is not None:
            session.is_searching = False

    @staticmethod
    def check_idle(session: OpenSession) -> None:
        """Refuse a second operation in a session whose search is not finished."""
        if session.is_searching:
            raise OperationActive("a search is not finished")

    # Reading and changing ---------------------------------------------------------------------

    def peek(self, session_handle: int, handle: int) -> StoredObject:
        """Look at an object to make its class: a part of the command that found it."""
        return self.object_at(self.session(session_handle), handle)

    def read(self, session_handle: int, handle: int, attribute: Attribute) -> Any:
        """Read an attribute."""
        return self.on_object(
            session_handle, "get_attribute", handle, lambda _, held: held.read(attribute)
        )

    def write(self, session_handle: int, handle: int, attribute: Attribute, value: Any) -> None:
        """Change an attribute."""

        def work(session: OpenSession, held: StoredObject) -> None:
            self._check_writable(session, held)
            narrow = self.device.profile.uses_only_narrow
            trial = StoredObject(dict(held.attributes))
            trial.write(attribute, value, uses_only_narrow=narrow)
            written = f"{attribute:#x}={value!r}".encode()
            self.consent("set_attribute", held.attributes[Attribute.ID], written)
            held.attributes = trial.attributes

        self.on_object(session_handle, "set_attribute", handle, work)

    def destroy(self, session_handle: int, handle: int) -> None:
        """Destroy an object."""

        def work(session: OpenSession, held: StoredObject) -> None:
            self._check_writable(session, held)
            if not held.attributes[Attribute.DESTROYABLE]:
                raise prohibited()
            self.objects.pop(handle, None)
            self._token(session).objects.pop(handle, None)

        self.on_object(session_handle, "destroy", handle, work)

    def copy(self, session_handle: int, handle: int, template: Template) -> int:
        """Copy an object with some attributes changed; its history goes along."""

        def work(session: OpenSession, held: StoredObject) -> int:
            if not held.attributes[Attribute.COPYABLE]:
                raise prohibited()
            made = StoredObject(dict(held.attributes), held.secret)
            for key, value in template.items():
                if key is Attribute.TOKEN:
                    made.attributes[key] = bool(value)
                elif key is Attribute.PRIVATE:
                    made.attributes[key] = bool(value) or held.is_private
                else:
                    narrow = self.device.profile.uses_only_narrow
                    made.write(Attribute(key), value, uses_only_narrow=narrow)
            return self.keep(session, made)

        return self.on_object(session_handle, "copy", handle, work)

    @staticmethod
    def _check_writable(session: OpenSession, held: StoredObject) -> None:
        if held.attributes[Attribute.TOKEN] and not session.rw:
            raise SessionReadOnly

    def consent(self, operation: str, *parts: bytes) -> None:
        """Use up the officers' consent, where the device asks for it."""
        device = self.device
        if operation in device.profile.quorum and not device.state.quorum.take(
            operation, parameter_hash(*parts), device.time()
        ):
            raise FunctionRejected(f"{operation} needs {device.profile.quorum_needed} officers")

    # Making -----------------------------------------------------------------------------------

    def keep(self, session: OpenSession, *made: StoredObject) -> int:
        """Store new objects, all or none; gives the handle of the first, the next follow it."""
        token, profile = self._token(session), self.device.profile
        for held in made:
            self.check_may_make(session, held.attributes)
        objects = [*token.objects.values(), *self.objects.values(), *made]
        if profile.max_objects is not None and len(objects) > profile.max_objects:
            raise DeviceMemory(f"{profile.max_objects} objects")
        if profile.max_bytes is not None and sum(o.size for o in objects) > profile.max_bytes:
            raise DeviceMemory(f"{profile.max_bytes} bytes")
        handles = [self.device.new_handle() for _ in made]
        for handle, held in zip(handles, made, strict=True):
            stays = held.attributes[Attribute.TOKEN]
            held.session = 0 if stays else session.handle
            (token.objects if stays else self.objects)[handle] = held
        return handles[0]

    def check_may_make(self, session: OpenSession, said: Mapping[Attribute, Any]) -> None:
        """Refuse an object that this session may not make."""
        if said[Attribute.TOKEN] and not session.rw:
            raise SessionReadOnly
        if said[Attribute.PRIVATE] and self.logins.get(session.slot) is not UserType.USER:
            raise UserNotLoggedIn

    def check_mechanism(self, mechanism: Mechanism) -> None:
        """Refuse a mechanism that the device does not have."""
        lacking = mechanism not in self.device.profile.mechanisms
        if lacking or (crypto.KEY_TYPES[mechanism] is KeyType.ML_DSA and not crypto.HAS_ML_DSA):
            raise MechanismInvalid(mechanism.name)

    def create_object(self, session_handle: int, template: Template) -> int:
        """Bring in an AES key from outside."""

        def work(session: OpenSession) -> int:
            self.check_idle(session)
            named = (template.get(Attribute.CLASS), template.get(Attribute.KEY_TYPE))
            if named != (ObjectClass.SECRET_KEY, KeyType.AES):
                raise AttributeValueInvalid("AES keys only")
            said = checked(template, ObjectClass.SECRET_KEY, brings_value=True)
            if Attribute.VALUE not in said:
                raise TemplateIncomplete("VALUE")
            return self.keep(session, self.imported(said, said[Attribute.VALUE]))

        return self.in_session(session_handle, "create_object", work)

    def imported(self, said: Mapping[Attribute, Any], secret: bytes) -> StoredObject:
        """Make an object of a key that was not born here."""
        key_type = said[Attribute.KEY_TYPE]
        found: dict[Attribute, Any] = {}
        if key_type is KeyType.AES:
            if len(secret) not in _AES_BYTES:
                raise AttributeValueInvalid("not an AES key")
            found[Attribute.VALUE_LEN] = len(secret)
            found[Attribute.CHECK_VALUE] = crypto.check_value(secret)
        else:
            names = crypto.ED25519_NAMES if key_type is KeyType.EC_EDWARDS else crypto.P256_NAMES
            found[Attribute.EC_PARAMS] = names[0]
        sensitive = self.device.profile.imports_are_sensitive
        return StoredObject({**completed(said, None, sensitive=sensitive), **found}, secret)

    def generate_key(self, session_handle: int, mechanism: Mechanism, template: Template) -> int:
        """Generate an AES key."""

        def work(session: OpenSession) -> int:
            self.check_mechanism(mechanism)
            if mechanism is not Mechanism.AES_KEY_GEN:
                raise MechanismInvalid(mechanism.name)
            said = self._said(template, ObjectClass.SECRET_KEY, KeyType.AES)
            if Attribute.VALUE_LEN not in said:
                raise TemplateIncomplete("VALUE_LEN")
            if said[Attribute.VALUE_LEN] not in _AES_BYTES:
                raise KeySizeRange(f"{said[Attribute.VALUE_LEN]} bytes")
            made = completed(said, mechanism, sensitive=True)
            self.check_may_make(session, made)
            length = said[Attribute.VALUE_LEN]
            secret = crypto.new_secret(KeyType.AES, length, self.device.randomness)
            made[Attribute.CHECK_VALUE] = crypto.check_value(secret)
            return self.keep(session, StoredObject(made, secret))

        return self.in_session(session_handle, "generate_key", work)

    def generate_pair(
        self, session_handle: int, mechanism: Mechanism, public: Template, private: Template
    ) -> tuple[int, int]:
        """Generate a pair of keys."""

        def work(session: OpenSession) -> tuple[int, int]:
            self.check_mechanism(mechanism)
            if mechanism not in _PAIRS:
                raise MechanismInvalid(mechanism.name)
            first = self.keep(session, *self._pair(session, mechanism, public, private))
            return first, first + 1

        return self.in_session(session_handle, "generate_keypair", work)

    def _pair(
        self, session: OpenSession, mechanism: Mechanism, public: Template, private: Template
    ) -> tuple[StoredObject, StoredObject]:
        profile, key_type = self.device.profile, _PAIRS[mechanism]
        refused = profile.pair_templates_refuse & {*public, *private}
        if refused:
            raise AttributeTypeInvalid(min(refused).name)
        said_public = self._said(public, ObjectClass.PUBLIC_KEY, key_type)
        crypto.check_parameters(key_type, said_public)
        made_private = completed(
            self._said(private, ObjectClass.PRIVATE_KEY, key_type), mechanism, sensitive=True
        )
        self.check_may_make(session, made_private)
        secret = crypto.new_secret(key_type, 0, self.device.randomness)
        point = crypto.public_bytes(key_type, secret)
        shown = crypto.public_attributes(key_type, point, bare=profile.bare_points)
        made_public = completed(said_public, mechanism, sensitive=False) | shown
        for name in (Attribute.EC_PARAMS, Attribute.PARAMETER_SET):
            if name in said_public:
                made_private[name] = said_public[name]
        return StoredObject(made_public), StoredObject(made_private, secret)

    @staticmethod
    def _said(
        template: Template, object_class: ObjectClass, key_type: KeyType
    ) -> dict[Attribute, Any]:
        """Check a template for a new key against what is being generated."""
        said = checked(template, object_class, brings_value=False)
        named = {Attribute.CLASS: object_class, Attribute.KEY_TYPE: key_type}
        for attribute, value in named.items():
            if said.setdefault(attribute, value) != value:
                raise TemplateInconsistent(attribute.name)
        return said

    def random(self, session_handle: int, length: int) -> bytes:
        """Draw random bytes."""

        def work(_: OpenSession) -> bytes:
            return self.device.randomness.octets("random", length)

        return self.in_session(session_handle, "generate_random", work)
