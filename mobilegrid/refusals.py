"""Every refusal in words: what it means, and what the caller can do about it.

Said beside each refusal on the command line, and written to docs/refusals.md.
"""

from functools import cache

from ledger.kernel.refusal import RefusalCode

# CODE | what it means | what the caller can do
_WORDS = """
MALFORMED_ENTRY | a text holds what an entry cannot carry (NUL, half a character) | Send clean text.
TEMPLATE_UNKNOWN | no posting template of that name | Use a template of the catalogue.
TEMPLATE_VERSION_CLOSED | that version of the template is no longer used | Use its newest version.
ACCOUNT_UNKNOWN | the account is not in the chart of accounts | Use an account of the chart.
ACCOUNT_CLOSED | the account takes no more postings | Use the account that follows it.
COMMODITY_UNKNOWN | neither packs, energy nor a currency we know | Use PACK, WH or ISO 4217.
COMMODITY_NOT_ALLOWED | the account does not hold this commodity | Use an account that does.
DIMENSION_INVALID | a dimension that the chart does not know | Use the dimensions of the chart.
QUANTITY_ZERO | a line that moves nothing | Leave the line out.
QUANTITY_OUT_OF_RANGE | more than 2^53 - 1 units in a line | Check the unit; split the amount.
UNBALANCED | the lines of a commodity do not sum to zero | Correct the lines.
PERIOD_CLOSED | the period is closed for postings | Post in the open period, as a correction.
REVERSES_UNKNOWN | there is no entry at the position to reverse | Name the entry's position.
IS_REVERSAL | a reversal is not reversed itself | Enter the fact again.
ALREADY_REVERSED | the entry was reversed before | Nothing is left to do.
PENDING_UNKNOWN | no pending posting of that id | Correct the id.
PENDING_RESOLVED | the pending posting was posted or voided before | Read how it ended.
PENDING_EXPIRED | the pending posting ran out | Ask for a new one.
PENDING_EXCEEDED | more than the pending posting holds | Ask for no more than is left.
APPROVAL_MISSING | this needs a second person's approval | Have another person approve it.
APPROVER_IS_MAKER | nobody approves his own request | Have another person approve it.
LIMIT_BREACHED | an account would pass its limit | Ask for less, or settle the account first.
MANUAL_ENTRY_EXISTS | a manual entry of that id stands in the books | Use another id.
REASON_MISSING | an entry by hand, or a step of a period, says no reason | Say why.
DOCUMENT_INVALID | a document is named by something else than its SHA-256 | Give the digest.
ENTRY_TOO_LONG | the entry would have more than 65,535 bytes | Split it, or hand parts in by digest.
TIME_IN_FUTURE | it is said to happen later than now | Correct the time or the sender's clock.
KEY_REUSED | the idempotency key came before with another request | Use a new key.
MAP_TOO_SOON | a map of all histories was made less than a minute ago | Use it, or wait.
PARTY_UNKNOWN | no party of that id | Register the party, or correct the id.
PARTY_EXISTS | a party of that id is known already | Use it, or choose another id.
PARTY_ROLE_MISSING | the party does not act in that role | Name a party that has the role.
PARTY_FIELD_INVALID | id, roles, country or name of the party is not valid | Correct the field.
CONTRACT_UNKNOWN | no contract covers this | Agree a contract first.
CONTRACT_EXISTS | a contract of that id is known already | Use it, or choose another id.
CONTRACT_FIELD_INVALID | a field of the contract is not valid | Correct the field.
DRIVER_BLOCKED | the driver may only give packs back for now | Settle what the block is for.
PAYEE_UNKNOWN | the partner has no payee of that id | Have two persons approve it first.
PAYEE_INVALID | no bank would take that account | Correct the named field.
VEHICLE_UNKNOWN | no vehicle of that id, or another driver's | Correct the id.
VEHICLE_FIELD_INVALID | a field of the vehicle is not valid | Correct the named field.
STATION_UNKNOWN | no station of that id | Commission the station, or correct the id.
STATION_EXISTS | a station of that id is known already | Use it, or choose another id.
STATION_FIELD_INVALID | a field of the station is not valid | Correct the field.
STATION_NOT_IN_SERVICE | the station takes no drivers now | Choose another station, or wait.
SLOT_UNKNOWN | the station has no such slot | Register the slot, or correct its number.
SLOT_EXISTS | the station has that slot already | Use it, or choose another number.
SLOT_FIELD_INVALID | a field of the slot is not valid | Correct the field.
METER_UNKNOWN | the station has no such meter | Register the meter, or correct its id.
METER_EXISTS | a meter of that id is known already | Use it, or choose another id.
UNKNOWN_PACK | no pack of that id | Take the pack over or order it, or correct the id.
IDENTIFIER_TAKEN | the id or code belongs to a pack already | Look at that pack; choose another id.
PACK_ENDED | the pack has left for good | Nothing can be done with this pack.
WRONG_STATE | the pack's state does not allow this | Bring it into the state first.
WRONG_PLACE | the pack is somewhere else in the books | Look up its holder; report what is true.
VERSION_CONFLICT | the pack changed since you looked | Read the present state and ask again.
ROLE_NOT_ALLOWED | your role may not do this | Have somebody do it whose role may.
SECOND_PERSON_REQUIRED | this needs two different persons | Name a second person.
EVIDENCE_TOO_LOW | the evidence is weaker than this move needs | Hand in stronger evidence.
IDENTITY_NOT_PROVEN | the pack did not prove to be itself | Read its code or challenge it again.
HOLD_BLOCKS | a hold stops the pack | Have the hold cleared by who may clear it.
NOT_COMMISSIONED | the pack was never commissioned | Commission it first.
SLOT_OCCUPIED | a pack is in the slot already | Use another slot, or correct the books first.
SLOT_BLOCKED | the slot is out of use | Use another slot, or unblock it.
CLASS_MISMATCH | pack and place are of different classes | Use a pack or place of the class.
SOC_ABOVE_TRANSPORT_LIMIT | too much charge for transport | Discharge the pack to the limit.
SOC_BELOW_TARGET | the pack is not charged enough | Charge it, or give another pack.
SOH_BELOW_CLASS | the pack's health is below its class | Give another pack; send this to repair.
SOH_STALE | the pack's health was assessed too long ago | Assess it again.
ALLOCATED_ELSEWHERE | the pack is promised to another booking | Give another pack.
NOT_ON_ORDER | the pack is not on that order | Name the order that lists it.
NOT_RETIRED | the pack is still in service | Retire it first.
LIEN_EXISTS | a lien rests on the pack | Have the lien released first.
CASE_OPEN | an open case has to be settled first | Settle the case.
TOO_MANY_PACKS | more packs than one entry takes | Split the request.
PACK_FIELD_INVALID | a field about the pack is not valid | Correct the field.
HOLD_UNKNOWN | no hold of that id | Correct the id.
HOLD_ENDED | the hold was cleared before | Nothing is left to do.
CASE_UNKNOWN | no case of that id | Correct the id.
CASE_ENDED | the case was settled before | Nothing is left to do.
PASSPORT_FACT_MISSING | facts that it must hold are not known | Add them to the facts file.
LIEN_UNKNOWN | no lien of that id rests on the pack | Correct the id.
CLASS_EXISTS | the class is registered with other data in that version | Register the next version.
CLASS_FIELD_INVALID | a field of the class is not valid | Correct the field.
BOOKING_UNKNOWN | no booking of that id | Correct the id.
BOOKING_EXISTS | a booking of that id is known already | Use it, or choose another id.
BOOKING_OF_ANOTHER_DRIVER | the booking is another driver's | Use a booking of your own.
BOOKING_ENDED | the booking has ended | Book again.
BOOKING_STAGE | the booking is not at that stage | Read its stage; take the step before first.
BOOKING_WINDOW_INVALID | the window is empty, too long or too far away | Choose another window.
NO_PACK_AVAILABLE | no pack of the class will be ready | Choose another time or station.
BOOKING_WINDOW_PASSED | the window of the booking is over | Book again.
EXTENSION_REFUSED | lengthened once, by 15 minutes, while packs last | Come in time, or book anew.
WAITS_ALREADY | the driver waits there for that class already | Let him keep his place.
WAITLIST_FULL | too many wait at that station for that class | Try another station.
WAITS_NOT | the driver does not wait there for that class | Correct the station or the class.
BOOKING_LIMIT_REACHED | a booking for that time, or as many as there may be | Use it, or cancel it.
SWAP_UNKNOWN | no swap of that id | Correct the id.
SWAP_EXISTS | a swap of that id is known already | Use it, or choose another id.
SWAP_STAGE | the swap is not at that stage | Read its stage; take the step before first.
SWAP_OF_ANOTHER_DRIVER | the swap is another driver's | Use a swap of your own.
SWAP_KIND_INVALID | this kind of swap does not have that leg | Use the kind that fits.
SWAP_BALANCE | packs in and out would not match at the end | Hand in what is missing.
ENTITLEMENT_EXCEEDED | more packs than the driver may hold | Bring a pack back first.
STAND_IN_UNKNOWN | the pack does not stand in for another one with that driver | Correct the ids.
CODE_USED | a swap was asked for with that check-in code before | Show a new code.
REOPENED_TOO_OFTEN | the slot was opened again too often | Call support; the case stays open.
CHARGING_SESSION_UNKNOWN | no charging session of that id | Correct the id.
CHARGING_SESSION_EXISTS | that charging session is known already | Use it, or another id.
CHARGING_SESSION_ENDED | the charging session has ended | Begin a new one.
CHARGING_SESSION_OVERLAP | another charging session runs there | End that one first.
REGISTER_BACKWARDS | the meter's register went backwards | Check meter and order of the readings.
ENERGY_NEGATIVE | less energy than nothing | Check the unit and the direction.
ENERGY_LIMIT | more energy than the pack or time allows | Check the unit and the reading.
SESSION_TIME_INVALID | it would end before it begins, or last too long | Correct the times.
SESSION_CHAIN_BROKEN | it cannot go on from that session | Name the cut session of the same pack.
SWAP_NOT_BILLABLE | the swap did not come to an end that is paid for | Nothing is left to do.
EVIDENCE_TOO_WEAK | the evidence is too weak to bill on | Hand in stronger evidence.
TIME_UNUSABLE | the time is too uncertain to choose a tariff | Have the time corrected by a person.
TARIFF_NOT_FOUND | no tariff covers that time and place | Publish a tariff that does.
TARIFF_AMBIGUOUS | two tariff versions cover the same time | Correct the versions.
TARIFF_NO_ELEMENT | no element of the tariff fits | Publish a version with one that does.
CURRENCY_MISMATCH | amounts of two currencies | Use the currency of the contract.
TAX_RULE_MISSING | no tax rule for that country and day | Publish the tax rule.
QUANTITY_NEGATIVE | a quantity to be billed is negative | Correct the facts; refund by credit note.
QUANTITY_LIMIT | a quantity is larger than can be real | Check the unit.
AMOUNT_LIMIT | an amount is larger than allowed | Check unit and tariff.
TARIFF_FIELD_INVALID | a field of the tariff is not valid | Correct the field.
TARIFF_EXISTS | that tariff version is known already | Publish the next version.
METER_INVALID | what the meter signed is not valid | Have the evidence judged again.
RERATING_UNKNOWN | nobody approved that sheet | Have two persons approve it first.
RERATING_EXISTS | another sheet was approved under that id | Take another id.
RERATING_FIELD_INVALID | a field of the sheet is not valid | Correct the field.
RERATING_LINE_UNKNOWN | the line is not of the approved sheet | Make the sheet again.
RERATING_STALE | the bill is not as the sheet says any more | Make the sheet again.
CYCLE_STATE | the settlement is not at that step | Take the step before first.
LINE_ALREADY_IN_STATEMENT | a line stands in a statement already | Settle only what comes after it.
CHECKER_IS_MAKER | nobody checks his own work | Have another person check it.
SIGNATURE_MISSING | a signature is missing | Have it signed.
PAYEE_TOO_NEW | the payee's account was changed too recently | Wait until the waiting time is over.
PAYEE_APPROVER_RELEASES | who approved the payee may not pay him | Have another person release it.
AMOUNT_OVER_LIMIT | more than may be paid out at once | Have the limit raised, or split it.
BELOW_MIN_PAYOUT | less than the smallest payout | Wait until more is due.
OPEN_DISPUTE | a line is in dispute | Settle the dispute first.
PERIOD_NOT_ENDED | the period is not over yet | Wait for its end, in the ledger's zone.
PERIOD_INVALID | not a period that can be settled | Use YYYY-MM or YYYY-MM-DD.
STATEMENT_UNKNOWN | no statement of that partner and period | Close the period, or correct it.
STATEMENT_DIFFERS | the second calculation gave another result | Nothing was issued; call a person.
INVOICE_EXISTS | the driver has that period's bill already | Use it; correct by credit note.
NOTHING_TO_SETTLE | there is nothing to settle | Nothing is left to do.
PAYOUT_UNKNOWN | no payout or order of that id | Correct the id.
PAYOUT_EXISTS | a payout or order of that id is under way | Read where it stands.
PAYOUT_STATE | the payout is not at that step, or another attempt is meant | Read where it stands.
PAYOUT_FIELD_INVALID | a field of the payout is not valid | Correct the named field.
PAYOUT_AMOUNT | not the amount of the payout | Have a person look at the bank's line.
PAYOUT_FILE_CHANGED | not the file that was approved | Release the approved file, or approve anew.
STATEMENT_ROOT_DIFFERS | the answer is about other lines than ours | Send the lines again.
ANSWER_INVALID | the answer lacks the evidence of its way | Name the way, and a level that it has.
DISPUTE_UNKNOWN | no dispute of that id | Correct the id.
DISPUTE_EXISTS | the line, or the id, is in a dispute already | Read where it stands.
DISPUTE_STATE | the dispute is not at that step | Read where it stands.
DISPUTE_FIELD_INVALID | a field of the dispute is not valid | Correct the named field.
OPEN_BREAK | the partner, bank or provider still differs from it | Settle the break first.
NOT_RECONCILED | no complete run has compared its payments yet | Reconcile first, then ask again.
SUBJECT_UNKNOWN | no person of that id | Correct the id.
SUBJECT_ERASED | the erasure of that person is ordered | Register the person anew.
SUBJECT_FIELD_INVALID | a field of the person is not valid | Correct the field.
SUBJECT_HOLDS_PACK | the person still holds a pack | Have the pack returned, then ask again.
ERASURE_NOT_ORDERED | nobody ordered that erasure | Order it first.
ERASURE_INCOMPLETE | something of the person was still found | Run the sweep again; call a person.
ERASURE_NOT_REQUESTED | nobody asked for that erasure, or it is withdrawn | Nothing is to be done.
PACK_HELD | the person still has a pack | Bring the pack back to a station, then ask again.
OPEN_BALANCE | money is still owed, one way or the other | Settle the open amount, then ask again.
OPEN_CASE | a case about the person is not closed | Wait until the case is closed, then ask again.
LOG_KEY_FIELD_INVALID | a field of the key or ceremony is not valid | Correct the field.
LOG_KEY_EXISTS | a key of that id or label stands already | Look at that key; choose another label.
LOG_KEY_UNKNOWN | no key of that id was announced | Correct the id, or announce the key.
LOG_KEY_TOO_SOON | a new key is announced 7 days before it signs | Choose a later day.
LOG_KEY_LAST | no other key of that purpose is in force | Announce the next key first.
LOG_KEY_ENDED | the key is trusted for less already | Nothing is left to do.
CEREMONY_EXISTS | another ceremony of that id was held | Use the id of this ceremony.
ORDER_UNKNOWN | no order, contract or sheet of that id | Open it first, or correct the id.
ORDER_EXISTS | an order, contract or sheet of that id is known | Use it, or choose another id.
ORDER_ENDED | the order is closed or cancelled | Open a new one.
ORDER_STAGE | the order is not at that stage | Read its stage; take the step before first.
ORDER_FIELD_INVALID | a field of the order is not valid | Correct the field.
NOT_DUE | the time for this has not come | Wait until it is due.
QUANTITY_EXCEEDED | more than the order line has left | Order no more than the line says.
WORK_ORDER_OPEN | a work order on it is still open | Close the work order; it ends the work.
REPORT_MISSING | the report, by digest, is missing | Hand the digest of the report in.
WARRANTY_ENDED | the warranty does not cover that day | Have it repaired at our own cost.
MASS_BALANCE | more mass came out than went in | Check the masses; they are in grams.
CHARGER_UNKNOWN | no charger of that id | Order the charger, or correct the id.
CHARGER_EXISTS | a charger of that id is known already | Use it, or choose another id.
CHARGER_STAGE | the charger is not at that stage | Read its stage; take the step before first.
CLASS_NOT_REGISTERED | nobody registered that class of packs | Register it: passport register.
SHIFT_OPEN | somebody minds that outlet already | Have it handed over.
SHIFT_OF_ANOTHER | he is not on shift there, or does not sign himself | Name those who counted.
MAINTENANCE_PLAN_UNKNOWN | no running plan of that id | Correct the id, or set the plan.
NOT_CAUSAL | it rests on what is of another pack, or came later | Name only what was known then.
BOUNDS_INVALID | not 0 <= lower <= soh <= upper <= 10,000 | Correct the bounds; they are in bp.
INSTRUMENT_EXPIRED | the instrument's calibration had ended | Measure with a calibrated instrument.
MODEL_NOT_RELEASED | the model is not released for that day | Have two persons release it first.
COUNTER_BACKWARDS | a counter of the pack went back | Read it again; name the right serial.
PAYMENT_UNKNOWN | no payment by card of that id | Correct the id.
PAYMENT_EXISTS | a payment of that id is known already | Read it, or choose another id.
PAYMENT_FIELD_INVALID | a field of the payment is not valid | Correct the field.
CARD_MISSING | the driver has saved no card | Let him save one first: pay save-card.
INVOICE_NOT_PAYABLE | no invoice of that driver and currency | Correct the invoice number.
PAYMENT_EXCEEDS_INVOICE | more than is open of the invoice | Ask for no more than is open.
REFUND_NOT_CREDITED | no credit note of the payment's invoice | Issue the credit note first.
REFUND_EXCEEDS_CAPTURED | more than the payment took and did not give back | Refund what is left.
PAYMENT_DISPUTED | the payment is disputed | Answer the dispute; refund when it is over.
PAYMENT_DIFFERS | the provider has another amount than we | Settle the case of the payment first.
CALL_UNKNOWN | no call of that key was planned | Correct the key.
CALL_NOT_OVER | the attempt before may still come to something | Run `pay relay`.
CALL_OVER | the call has been answered | Read the answer.
CALL_DIFFERS | the body is not the one that was planned under this key | Plan another attempt.
CHARGEBACK_UNKNOWN | no card dispute of that name | Correct the name.
CHARGEBACK_OVER | the card dispute is decided | Nothing can be answered any more.
PAYMENT_NOT_TOLD | the money was not told to be taken yet | Read the payment, then ask again.
TRANSACTION_DIFFERS | it contradicts itself, or what was posted | Ask the provider about it.
NEWS_UNKNOWN | no such message came | Correct the id.
INVOICE_UNKNOWN | no invoice of that number | Correct the number.
INVOICE_STATE | the invoice does not allow it as it stands | Read its state with `invoice show`.
CREDIT_FIELD_INVALID | a field of the credit note is not allowed | Correct the named field.
CREDIT_EXCEEDS_INVOICED | more than is left of a line or of the invoice | Credit what is left.
CREDIT_NOTE_UNKNOWN | no credit note of that number | Correct the number.
CREDIT_NOTE_SPENT | more than is left to be paid back of the note | Pay back what is left.
PRICE_PLAN_UNKNOWN | no plan of that id, or no version for that day | Publish the plan first.
PRICE_PLAN_INVALID | a field of the plan is not allowed | Correct the named field.
SUBSCRIPTION_UNKNOWN | no subscription of that contract | Correct the id.
SUBSCRIPTION_STATE | the subscription does not allow it as it stands | Read its state first.
SUBSCRIPTION_FIELD_INVALID | a field of the subscription is not allowed | Correct the named field.
PROMO_UNKNOWN | the driver has no promo of that id | Correct the id.
PROMO_FIELD_INVALID | a field of the promo is not allowed | Correct the named field.
PROMO_SPENT | more than is left of the promo | Use what is left.
DEPOSIT_UNKNOWN | the driver has no deposit of that id | Correct the id.
DEPOSIT_FIELD_INVALID | a field of the deposit is not allowed | Correct the named field.
DEPOSIT_EXCEEDED | more than is left of the deposit | Use what is left.
POLICY_FIELD_INVALID | a field of the policy is not allowed | Correct the named field.
WRITE_OFF_UNKNOWN | nothing is proposed to be written off there | Propose it first.
BANK_ACCOUNT_UNKNOWN | no account of ours of that id | Correct the id, or register the account.
BANK_ACCOUNT_EXISTS | an account of that id or number is known | Use it, or choose another id.
BANK_ACCOUNT_INVALID | a field of the account is not valid | Correct the named field.
STATEMENT_CONFLICT | that statement was booked with other content | Ask the bank which one holds.
STATEMENT_FIELD_INVALID | a field of the statement is not valid | Ask the bank for the file anew.
ENTRY_REPEATED | a movement of the statement was booked before | Ask the bank which one holds.
BALANCE_MISSING | the statement has no opening or closing balance | Ask the bank for the file anew.
SUM_MISMATCH | the movements do not sum up to the balances | Ask the bank for the file anew.
STATEMENT_GAP | a statement before it is missing | Import the missing file, or release it.
OPENING_MISMATCH | it does not open with the last closing | Import what is missing, or release it.
STATEMENT_NOT_WAITING | no such statement is in quarantine | See `bank lines --quarantine`.
STATEMENT_NOT_RELEASABLE | this fault cannot be passed over | Set it aside, or correct the cause.
BANK_LINE_UNKNOWN | no bank line of that id | Correct the id; `bank lines` lists them.
BANK_LINE_STATE | the line does not allow it as it stands | Look at the line first.
SUSPENSE_EXCEEDED | more than is left of the line on suspense | Match what is left.
MATCH_INVALID | not something that a bank line can settle so | Name account, item and amount.
MATCH_STALE | what it shall settle has changed, or is not open | Look at it again, then match anew.
NOTE_INVALID | a field of the note is not allowed | Correct the named field.
BREAK_UNKNOWN | no break of that id | Correct the id; `reconcile breaks` lists them.
BREAK_ENDED | the break is resolved already | Nothing is left to do.
BREAK_IN_BRIDGE | it stands between two balances | Correct either side, and run again.
RUN_INVALID | the run does not follow from the one before | Nothing was kept; call a person.
PARTNER_FILE_INVALID | a partner's file is told wrongly | Correct the field named in the facts.
PARTNER_FILE_DIFFERS | the file came for something else before | Send it once, for what it is of.
PERIOD_UNKNOWN | the books do not keep that period | Open the books, or name a period they keep.
PERIOD_OUT_OF_ORDER | periods close one after the other | Close the period before it first.
PERIOD_STATE | the period is not at that step | Read its state with `period status`.
PERIOD_MOVED | something was booked after the checklist was made | Make the checklist again.
CHECKLIST_OPEN | an item of the checklist does not hold | Settle it, or accept it with a reason.
REPORT_FILED | a report of the period was filed; it stays closed | Correct it in the open period.
REPORT_DIFFERS | the report is not the one of this revision | Make the report again.
ASSET_UNKNOWN | the pack is not capitalised | Capitalise it first.
ASSET_EXISTS | the pack is capitalised already | Nothing is left to do.
ASSET_ENDED | the pack was written off, or has left the books | Recover it first.
ASSET_FIELD_INVALID | a field of the asset or its policy is not allowed | Correct the named field.
ASSET_POLICY_UNKNOWN | no asset policy of that id and version | Release the policy first.
SOH_NOT_VERIFIED | no verified state of health is known of the pack | Test the pack first.
ENERGY_PURCHASE_EXISTS | a purchase of that id is booked already | Correct it, or use another id.
ENERGY_PURCHASE_UNKNOWN | no energy was bought under that id | Correct the id.
ENERGY_FIELD_INVALID | a field of the energy is not allowed | Correct the named field.
EXCHANGE_FIELD_INVALID | a field of the exchange is not allowed | Correct the named field.
APPROVAL_UNKNOWN | no approval of that id | Correct the id.
APPROVAL_EXISTS | an approval of that id was asked for before | Ask under another id.
APPROVAL_INVALID | the command, its digest or the outcome is not valid | Read the approval again.
APPROVAL_EXPIRED | nobody agreed in time, or the time is too long | Ask again, for 30 days at most.
APPROVAL_ENDED | the approval has ended | Read how it ended; ask again if need be.
SUPPORT_CASE_UNKNOWN | the driver has no request for help of that id | Correct the id.
SUPPORT_CASE_EXISTS | a request for help of that id is known already | Use it, or choose another id.
SUPPORT_CASE_CLOSED | the request was closed more than 14 days ago | Open a new one.
SUPPORT_CASE_FULL | the request has as many messages or files as it may have | Open a new one.
SUPPORT_FIELD_INVALID | a field of the request, message or file is not valid | Correct the field.
CODE_NOT_USABLE | this code gives nothing, for whatever reason | Check it letter by letter.
PROMO_CODE_EXISTS | a code of that id was issued already | Use it, or choose another id.
CHECKOUT_EXISTS | a page of that id was asked for already | Use it, or choose another id.
CHECKOUT_UNKNOWN | the driver has no page of that id | Correct the id.
METHOD_UNKNOWN | the driver saved no such way to pay | Read which ones there are.
METHOD_NEEDED | an invoice is open: the last way to pay stays | Pay it first, or save another way.
DUTY_MISSING | a person's duty does not cover this | Have a maker ask, a checker or treasurer agree.
"""


@cache
def words() -> dict[str, tuple[str, str]]:
    """Give (meaning, what the caller can do) by the name of the code."""
    rows = (line.split(" | ") for line in _WORDS.strip().splitlines())
    return {name: (meaning, advice) for name, meaning, advice in rows}


def meaning(code: RefusalCode) -> str:
    """Say what a refusal means and what to do, in one line.

    >>> meaning(RefusalCode.STATION_UNKNOWN)
    'no station of that id. Commission the station, or correct the id.'
    """
    said, advice = words()[code.name]
    return f"{said}. {advice}"
