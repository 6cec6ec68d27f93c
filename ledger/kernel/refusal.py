"""Every reason a rule can say no, and the refusal that carries one.

The number of a code is its place in the order of testing inside its area: a rule tests in that
order, so independent faults always give the same first code. Numbers and names are never reused
or renumbered; a new code takes the next free number of its area (the last one given stands in the
comment at the head of the area).
"""

from enum import IntEnum, unique

import msgspec


@unique
class RefusalCode(IntEnum):
    """Why a rule said no; the wire form is the name in lower case."""

    # journal: 100-121, last given 121
    MALFORMED_ENTRY = 100
    TEMPLATE_UNKNOWN = 101
    TEMPLATE_VERSION_CLOSED = 102
    ACCOUNT_UNKNOWN = 103
    ACCOUNT_CLOSED = 104
    COMMODITY_UNKNOWN = 105
    COMMODITY_NOT_ALLOWED = 106
    DIMENSION_INVALID = 107
    QUANTITY_ZERO = 108
    QUANTITY_OUT_OF_RANGE = 109
    UNBALANCED = 110
    PERIOD_CLOSED = 111
    REVERSES_UNKNOWN = 112
    IS_REVERSAL = 113
    ALREADY_REVERSED = 114
    PENDING_UNKNOWN = 115
    PENDING_RESOLVED = 116
    PENDING_EXPIRED = 117
    PENDING_EXCEEDED = 118
    APPROVAL_MISSING = 119
    APPROVER_IS_MAKER = 120
    LIMIT_BREACHED = 121

    # entry: 130-133, last given 133
    ENTRY_TOO_LONG = 130
    TIME_IN_FUTURE = 131
    KEY_REUSED = 132
    MAP_TOO_SOON = 133

    # parties: 200-207, last given 207
    PARTY_UNKNOWN = 200
    PARTY_EXISTS = 201
    PARTY_ROLE_MISSING = 202
    PARTY_FIELD_INVALID = 203
    CONTRACT_UNKNOWN = 204
    CONTRACT_EXISTS = 205
    CONTRACT_FIELD_INVALID = 206
    DRIVER_BLOCKED = 207

    # stations: 300-308, last given 308
    STATION_UNKNOWN = 300
    STATION_EXISTS = 301
    STATION_FIELD_INVALID = 302
    STATION_NOT_IN_SERVICE = 303
    SLOT_UNKNOWN = 304
    SLOT_EXISTS = 305
    SLOT_FIELD_INVALID = 306
    METER_UNKNOWN = 307
    METER_EXISTS = 308

    # custody, in the order of the custody handbook 3.3: 400-425, last given 433
    UNKNOWN_PACK = 400
    IDENTIFIER_TAKEN = 401
    PACK_ENDED = 402
    WRONG_STATE = 403
    WRONG_PLACE = 404
    VERSION_CONFLICT = 405
    ROLE_NOT_ALLOWED = 406
    SECOND_PERSON_REQUIRED = 407
    EVIDENCE_TOO_LOW = 408
    IDENTITY_NOT_PROVEN = 409
    HOLD_BLOCKS = 410
    NOT_COMMISSIONED = 411
    SLOT_OCCUPIED = 412
    SLOT_BLOCKED = 413
    CLASS_MISMATCH = 414
    SOC_ABOVE_TRANSPORT_LIMIT = 415
    SOC_BELOW_TARGET = 416
    SOH_BELOW_CLASS = 417
    SOH_STALE = 418
    ALLOCATED_ELSEWHERE = 419
    NOT_ON_ORDER = 420
    NOT_RETIRED = 421
    LIEN_EXISTS = 422
    CASE_OPEN = 423
    TOO_MANY_PACKS = 424
    PACK_FIELD_INVALID = 425
    HOLD_UNKNOWN = 426
    HOLD_ENDED = 427
    CASE_UNKNOWN = 428
    CASE_ENDED = 429
    PASSPORT_FACT_MISSING = 430
    LIEN_UNKNOWN = 431
    CLASS_EXISTS = 432
    CLASS_FIELD_INVALID = 433

    # bookings: 500-508, last given 508
    BOOKING_UNKNOWN = 500
    BOOKING_EXISTS = 501
    BOOKING_OF_ANOTHER_DRIVER = 502
    BOOKING_ENDED = 503
    BOOKING_STAGE = 504
    BOOKING_WINDOW_INVALID = 505
    NO_PACK_AVAILABLE = 506
    BOOKING_WINDOW_PASSED = 507
    EXTENSION_REFUSED = 508

    # swaps: 600-606, last given 606
    SWAP_UNKNOWN = 600
    SWAP_EXISTS = 601
    SWAP_STAGE = 602
    SWAP_OF_ANOTHER_DRIVER = 603
    SWAP_KIND_INVALID = 604
    SWAP_BALANCE = 605
    ENTITLEMENT_EXCEEDED = 606

    # energy: 700-708, last given 708
    CHARGING_SESSION_UNKNOWN = 700
    CHARGING_SESSION_EXISTS = 701
    CHARGING_SESSION_ENDED = 702
    CHARGING_SESSION_OVERLAP = 703
    REGISTER_BACKWARDS = 704
    ENERGY_NEGATIVE = 705
    ENERGY_LIMIT = 706
    SESSION_TIME_INVALID = 707
    SESSION_CHAIN_BROKEN = 708

    # rating, in the order of the money handbook 5.2: 800-812, last given 813
    SWAP_NOT_BILLABLE = 800
    EVIDENCE_TOO_WEAK = 801
    TIME_UNUSABLE = 802
    TARIFF_NOT_FOUND = 803
    TARIFF_AMBIGUOUS = 804
    TARIFF_NO_ELEMENT = 805
    CURRENCY_MISMATCH = 806
    TAX_RULE_MISSING = 807
    QUANTITY_NEGATIVE = 808
    QUANTITY_LIMIT = 809
    AMOUNT_LIMIT = 810
    TARIFF_FIELD_INVALID = 811
    TARIFF_EXISTS = 812
    METER_INVALID = 813

    # settlement, in the order of the money handbook 9.1: 900-908, last given 914
    CYCLE_STATE = 900
    LINE_ALREADY_IN_STATEMENT = 901
    CHECKER_IS_MAKER = 902
    SIGNATURE_MISSING = 903
    PAYEE_TOO_NEW = 904
    PAYEE_APPROVER_RELEASES = 905
    AMOUNT_OVER_LIMIT = 906
    BELOW_MIN_PAYOUT = 907
    OPEN_DISPUTE = 908
    PERIOD_NOT_ENDED = 909
    PERIOD_INVALID = 910
    STATEMENT_UNKNOWN = 911
    STATEMENT_DIFFERS = 912
    INVOICE_EXISTS = 913
    NOTHING_TO_SETTLE = 914

    # privacy: 1000-1005, last given 1005
    SUBJECT_UNKNOWN = 1000
    SUBJECT_ERASED = 1001
    SUBJECT_FIELD_INVALID = 1002
    SUBJECT_HOLDS_PACK = 1003
    ERASURE_NOT_ORDERED = 1004
    ERASURE_INCOMPLETE = 1005

    # keys of the log: 1100-1106, last given 1106
    LOG_KEY_FIELD_INVALID = 1100
    LOG_KEY_EXISTS = 1101
    LOG_KEY_UNKNOWN = 1102
    LOG_KEY_TOO_SOON = 1103
    LOG_KEY_LAST = 1104
    LOG_KEY_ENDED = 1105
    CEREMONY_EXISTS = 1106

    # orders: 1200-1213, last given 1213
    ORDER_UNKNOWN = 1200
    ORDER_EXISTS = 1201
    ORDER_ENDED = 1202
    ORDER_STAGE = 1203
    ORDER_FIELD_INVALID = 1204
    NOT_DUE = 1205
    QUANTITY_EXCEEDED = 1206
    WORK_ORDER_OPEN = 1207
    REPORT_MISSING = 1208
    WARRANTY_ENDED = 1209
    MASS_BALANCE = 1210
    CHARGER_UNKNOWN = 1211
    CHARGER_EXISTS = 1212
    CHARGER_STAGE = 1213

    # health: 1400-1403, last given 1403
    NOT_CAUSAL = 1400
    BOUNDS_INVALID = 1401
    INSTRUMENT_EXPIRED = 1402
    MODEL_NOT_RELEASED = 1403

    @property
    def wire(self) -> str:
        """The code as it stands in answers, receipts and documents."""
        return self.name.lower()


Fact = str | int


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule said no: the first code in order, typed facts for a person, further codes.

    `facts` never hold personal data. `others` are further violations in the same order, where an
    area promises to report all at once.
    """

    code: RefusalCode
    facts: dict[str, Fact] = {}
    others: tuple[RefusalCode, ...] = ()
