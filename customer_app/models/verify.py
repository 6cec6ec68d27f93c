"""Verify my swap: four steps under the app's own policy, then the receipt against the entry."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.client_support import Question
from customer_app.api.errors import ApiError, Kind
from customer_app.api.wire_bills import Receipt
from customer_app.models.base import Model
from customer_app.models.commands import Means
from customer_app.trust.bundle import (
    STEPS,
    Difference,
    LogKey,
    Outcome,
    Verdict,
    Verify,
    compare,
    entry_of,
    fingerprint_of,
    keys_of,
    outcome_of,
    step_of,
)

STEP_PAUSE_S = 0.4
NOT_SIGNED = "not_signed_yet"
SERIOUS = {Outcome.WRONG, Outcome.DIFFERS, Outcome.UNKNOWN_KEY, Outcome.MALFORMED}


@dataclass(frozen=True, slots=True)
class Checker:
    """The offline verifier and the policy that the app came with; never from the API."""

    verify: Verify
    policy: str

    @property
    def keys(self) -> tuple[LogKey, ...]:
        """The keys to compare with the contract."""
        return keys_of(self.policy)


@observable
class VerifyModel(Model):
    """The check of one swap.

    `outcome` is missing until the check ran. `standing` gives each step as waiting, running, ok,
    failed, skipped, or none where the policy asks no witness. A bad proof stays: another check adds
    a result, it takes none away.
    """

    def __init__(
        self,
        client: ApiClient,
        means: Means,
        checker: Checker,
        swap_id: str,
        topic: str = "complaint",
    ) -> None:
        Model.__init__(self)
        self._client = client
        self._means = means
        self._checker = checker
        self._topic = topic
        self._reporting = means.intention()
        self.swap_id = swap_id
        self.receipt: Receipt | None = None
        self.bundle: bytes = b""
        self.verdict: Verdict | None = None
        self.outcome: Outcome | None = None
        self.differences: tuple[Difference, ...] = ()
        self.steps: tuple[tuple[str, str], ...] = tuple((step, "waiting") for step in STEPS)
        self.is_checking = False
        self.case_id = ""

    @override
    async def fetch(self) -> None:
        """Read the receipt that is on screen; a swap without a bill can be checked all the same."""
        try:
            self.receipt = await self._client.receipt(self.swap_id)
        except ApiError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            self.receipt = None

    @property
    def keys(self) -> tuple[LogKey, ...]:
        """The keys that count here."""
        return self._checker.keys

    @property
    def file_name(self) -> str:
        """How the proof file is called."""
        return f"{self.swap_id}.tlog-proof"

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the proof file, once there is one."""
        return fingerprint_of(self.bundle) if self.bundle else ""

    @property
    def is_serious(self) -> bool:
        """Whether this is a matter for an auditor."""
        return self.outcome in SERIOUS

    async def check(self) -> None:
        """Fetch the proof and check it, step by step."""
        if self.is_checking:
            return
        self.is_checking = True
        try:
            await self.attempt(self._check)
        finally:
            self.is_checking = False

    async def _check(self) -> None:
        before = self.outcome if self.is_serious else None
        self.steps = tuple((step, "waiting") for step in STEPS)
        try:
            bundle = await self._client.swap_proof(self.swap_id)
        except ApiError as error:
            if error.code != NOT_SIGNED:
                raise
            self.outcome = before or Outcome.PENDING
            return
        if before is None:
            self.bundle = bundle
        # parsing, hashing and signatures take longer than a handler may hold the loop
        verdict = await asyncio.to_thread(self._checker.verify, bundle, self._checker.policy)
        failed = step_of(verdict) if not verdict.ok else None
        await self._show(failed, has_witnesses=bool(verdict.witnesses_needed))
        outcome = outcome_of(verdict)
        if verdict.ok and before is None:
            self.differences = compare(self._shown(), entry_of(bundle))
            outcome = Outcome.DIFFERS if self.differences else outcome
        if before is None:
            self.verdict, self.outcome = verdict, outcome

    async def _show(self, failed: str | None, *, has_witnesses: bool) -> None:
        """Let the steps appear one after the other, up to the one that failed."""
        standing = dict.fromkeys(STEPS, "waiting")
        for step in STEPS:
            if failed == "":
                standing[step] = "skipped"
                continue
            standing[step] = "running"
            self.steps = tuple(standing.items())
            await self._means.pause(STEP_PAUSE_S)
            passed = "ok" if has_witnesses or step != "witnesses" else "none"
            standing[step] = "failed" if step == failed else passed
            if step == failed:
                failed = ""
        self.steps = tuple(standing.items())

    def _shown(self) -> dict[str, object]:
        receipt = self.receipt
        if receipt is None:
            return {"swap_id": self.swap_id}
        packs = [each.pack_id for each in (*receipt.packs_in, *receipt.packs_out)]
        shown: dict[str, object] = {
            "swap_id": receipt.swap_id,
            "station_id": receipt.station_id,
            "energy_wh": receipt.energy_wh,
        }
        if packs:
            shown["packs"] = sorted(packs)
        if receipt.state == "PRICED":
            shown["amount_minor"] = receipt.total_minor
        return shown

    async def report(self, words: Callable[[str], str]) -> bool:
        """Open a case about a proof that does not hold, with what finds the file again.

        `words` gives the text of a key; the file itself goes along as the driver's own message.
        """
        verdict = self.verdict
        if verdict is None or not self.is_serious:
            return False
        text = (
            words("verify.case_text")
            .replace("{swap}", self.swap_id)
            .replace("{step}", verdict.step_failed or str(self.outcome))
            .replace(
                "{detail}", verdict.detail or ", ".join(each.name for each in self.differences)
            )
            .replace("{digest}", self.fingerprint)
        )
        question = Question(words("verify.case_subject"), self._topic, text, swap_id=self.swap_id)

        async def send() -> None:
            made = await self._reporting.run(
                lambda key: self._client.open_case(question, key), question
            )
            self.case_id = made.case_id

        return await self.attempt(send)
