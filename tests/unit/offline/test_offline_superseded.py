"""Bills by a price that was superseded, and the ones made anew by it: checked by strangers."""

import json

import pytest

from ledger.exports.proven import prove_bill, prove_statement
from ledger.kernel.envelope import canonical
from ledger.kernel.instants import DAY
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.rerating_preview import apply, preview
from ledger.runtime.settling import close_period
from mobilegrid import offline_verifier as offline
from tests.support.bundles import is_good
from tests.support.ledgers import sqlite_url
from tests.support.offline import NOW_S, policy_text, seeded_signer
from tests.support.town import MARCH, new_town
from tests.unit.runtime.test_rerating_preview import CHEAPER, FINANCE, MONTH, NOW, publish

APRIL, MAY = MARCH + 31 * DAY, MARCH + 61 * DAY


@pytest.mark.parametrize(
    "change",
    [
        {"rounding": "line_down"},
        {"border_rule": "dearer"},
        {"elements": [{"component": "PARKING", "per": "DAY", "rate_micro": 1}]},
        {"elements": [{"component": "ENERGY", "per": "MILE", "rate_micro": 1}]},
        {"elements": [{"component": "ENERGY", "per": "KWH", "rate_micro": 1, "weather": "sun"}]},
        {"loyalty": 1},
    ],
)
def test_prices_that_cannot_be_checked_are_not_called_wrong(change):
    terms = json.loads(canonical(CHEAPER)) | change
    with pytest.raises(offline.MalformedInput, match="cannot check"):
        offline.Tariff([offline.Version(1, 1, 0, 0, terms)])


@pytest.mark.parametrize("is_closed_first", [True, False])
def test_bills_rated_again_by_another_version_are_good(tmp_path, is_closed_first):
    with new_town(sqlite_url(tmp_path)) as town:
        if is_closed_first:
            close_period(town, "2024-03", actor=FINANCE, at=APRIL)
        publish(town)
        with town.reading() as reads:
            sheet, _ = preview(reads, MONTH)
        at = APRIL + DAY if is_closed_first else NOW
        apply(town, MONTH, sheet.root(), actor=FINANCE, reason="TF-1/2", at=at)
        period = "2024-04" if is_closed_first else "2024-03"
        close_period(town, period, actor=FINANCE, at=MAY)
        signer = seeded_signer(town.name.origin)
        sign_checkpoint(town, signer, NOW_S)
        policy = offline.parse_policy(policy_text(logs=[signer]))
        with town.reading() as reads:
            made = [prove_statement(reads, "OP-1", "2024-03")]
            if is_closed_first:
                made.append(prove_bill(reads, "DR-1", "2024-03"))
                made.append(prove_statement(reads, "OP-1", period))
            else:
                made.append(prove_bill(reads, "DR-1", period))
        for bundle in made:
            assert is_good(bundle, tmp_path / "b.zip", policy)
