"""How a one-time code reaches a driver: a port, and a queue that hides how long it takes."""

import queue
import threading
from typing import Literal, Protocol

import msgspec
from typing_extensions import override

QUEUE_MAX = 1_000


class Message(msgspec.Struct, frozen=True):
    """A code on its way: by which channel, to which address, for what, in which language."""

    channel: Literal["email", "sms"]
    address: str
    purpose: Literal["enrol", "recover"]
    language: Literal["en", "zh"] = "en"
    code: str = ""

    @property
    def subject(self) -> str:
        """What stands above the text, where a channel has that."""
        return "Mobile Grid：验证码" if self.language == "zh" else "Mobile Grid: your code"  # noqa: RUF001

    @property
    def text(self) -> str:
        """What the driver reads; never more than one code, and no link."""
        if self.language == "zh":
            return (
                f"您的 Mobile Grid 一次性验证码是 {self.code}，10 分钟内有效，只能使用一次。"  # noqa: RUF001
                "请勿告诉任何人。如果不是您本人操作，请忽略此消息。"  # noqa: RUF001
            )
        return (
            f"Your Mobile Grid one-time code is {self.code}. It works once, for 10 minutes. "
            "Tell it to nobody. If you did not ask for it, you need do nothing."
        )


class CodeSender(Protocol):
    """Takes codes and sends them; never waits for the outside, never fails."""

    def send(self, message: Message | None) -> None:
        """Take a message, or the none of an address that is nobody's."""
        ...


class Carrier(Protocol):
    """Brings one message out of the house; may take long, may raise."""

    def carry(self, message: Message) -> None:
        """Hand a message to whoever brings it."""
        ...


class QueuedSender(CodeSender):
    """Sends on a thread of its own, one after the other; use `start` and `stop`.

    A message that cannot be sent is dropped and told to `failed`, by its channel alone: who does
    not get a code asks for another.
    """

    def __init__(self, carrier: Carrier, failed: "Failed") -> None:
        self._carrier = carrier
        self._failed = failed
        self._queue: queue.Queue[Message | None] = queue.Queue(QUEUE_MAX)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._run, name="codes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send what waits, then end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    @override
    def send(self, message: Message | None) -> None:
        """Queue a message; when too many wait it is dropped."""
        if message is None:
            return
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._failed(f"a code by {message.channel} was not sent: too many wait")

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                self._carrier.carry(message)
            except Exception as error:  # noqa: BLE001 - the thread must never die silently
                reason = type(error).__name__
                self._failed(f"a code by {message.channel} was not sent: {reason}")


class Failed(Protocol):
    """Is told that a message was not sent; the words hold no address."""

    def __call__(self, said: str, /) -> None:
        """Take the words."""
        ...
