"""Bank files as banks write them: statements, notifications, answers, element by element."""

from collections.abc import Sequence

OWN_IBAN = "DE89370400440532013000"
DRIVER_IBAN = "FR1420041010050500013M02606"


def payment(
    amount: str,
    *,
    reference: str = "NOTPROVIDED",
    sign: str = "CRDT",
    name: str = "Ada Sample",
    remittance: str = "invoice MG1-INV-2026-000042",
    returned: str = "",
) -> str:
    side = "Dbtr" if sign == "CRDT" else "Cdtr"
    parties = (
        f"<RltdPties><{side}><Pty><Nm>{name}</Nm></Pty></{side}>"
        f"<{side}Acct><Id><IBAN>{DRIVER_IBAN}</IBAN></Id></{side}Acct></RltdPties>"
    )
    back = f"<RtrInf><Rsn><Cd>{returned}</Cd></Rsn></RtrInf>" if returned else ""
    return (
        f"<TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs>"
        f'<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>{parties}'
        f"<RmtInf><Ustrd>{remittance}</Ustrd></RmtInf>{back}</TxDtls>"
    )


def entry(
    amount: str,
    *payments: str,
    sign: str = "CRDT",
    reference: str = "BANK-1",
    status: str = "<Cd>BOOK</Cd>",
) -> str:
    details = f"<NtryDtls>{''.join(payments)}</NtryDtls>" if payments else ""
    named = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts>{status}</Sts>'
        "<BookgDt><Dt>2026-03-02</Dt></BookgDt><ValDt><Dt>2026-03-03</Dt></ValDt>"
        f"{named}<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly>"
        f"</Domn></BkTxCd>{details}</Ntry>"
    )


def balance(code: str, amount: str, sign: str = "CRDT") -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
        "<Dt><Dt>2026-03-02</Dt></Dt></Bal>"
    )


def statement(
    entries: Sequence[str],
    *,
    opening: str = "100.00",
    closing: str = "125.00",
    number: str = "7",
    currency: str = "EUR",
) -> str:
    return (
        f"<Stmt><Id>ST-{number}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb>"
        "<CreDtTm>2026-03-02T18:00:00Z</CreDtTm>"
        f"<Acct><Id><IBAN>{OWN_IBAN}</IBAN></Id><Ccy>{currency}</Ccy></Acct>"
        f"{balance('OPBD', opening)}{balance('CLBD', closing)}{''.join(entries)}</Stmt>"
    )


def camt053(*statements: str, version: str = "08") -> bytes:
    return document(
        f"camt.053.001.{version}",
        "<BkToCstmrStmt><GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-03-02T18:00:00Z</CreDtTm></GrpHdr>"
        f"{''.join(statements)}</BkToCstmrStmt>",
    )


def document(message: str, body: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{message}">{body}</Document>'
    ).encode()


def pain002(payments: Sequence[tuple[str, str, str]], group: str = "PART") -> bytes:
    """Build an answer; each payment is its reference, status and reason."""
    parts = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{reference}</OrgnlEndToEndId>"
        + (f"<TxSts>{status}</TxSts>" if status else "")
        + (
            f"<StsRsnInf><Rsn><Cd>{why}</Cd></Rsn><AddtlInf>no such account</AddtlInf></StsRsnInf>"
            if why
            else ""
        )
        + "</TxInfAndSts>"
        for reference, status, why in payments
    )
    return document(
        "pain.002.001.12",
        "<CstmrPmtStsRpt><GrpHdr><MsgId>A-1</MsgId><CreDtTm>2026-03-02T18:00:00Z</CreDtTm></GrpHdr>"
        "<OrgnlGrpInfAndSts><OrgnlMsgId>MGB-B1</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>{group}</GrpSts></OrgnlGrpInfAndSts>"
        "<OrgnlPmtInfAndSts><OrgnlPmtInfId>MGP-B1-1</OrgnlPmtInfId><PmtInfSts>ACSP</PmtInfSts>"
        f"{parts}</OrgnlPmtInfAndSts></CstmrPmtStsRpt>",
    )
