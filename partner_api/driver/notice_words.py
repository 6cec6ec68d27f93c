"""What notices say, in English and Chinese: tables with the same keys; {} are filled by facts."""

TITLES = {
    "en": {
        "hold_ending": "Your hold ends soon",
        "booking_changed": "Your booking changed",
        "swap_done": "Your swap",
        "bill_due": "A new bill",
        "payment_failed": "A payment did not go through",
        "station_down": "Station not reporting",
        "case_answered": "Support answered",
    },
    "zh": {
        "hold_ending": "预约即将到期",
        "booking_changed": "预约有变化",
        "swap_done": "换电进展",
        "bill_due": "新账单",
        "payment_failed": "支付未成功",
        "station_down": "换电站未上报",
        "case_answered": "客服已回复",
    },
}
TEXTS = {
    "en": {
        "booking.hold_ending": "Your hold at {station_id} ends at {until}. Extend it or cancel.",
        "booking.replaced": "We changed your reserved pack for one as good or better. Same price.",
        "booking.canceled": "Your booking at {station_id} was cancelled.",
        "booking.failed": "{station_id} can no longer serve you. No fee; credit was added.",
        "booking.rejected": "No pack is kept at {station_id}: your bank held no money. Try again.",
        "booking.no_show": "You did not arrive in time at {station_id}. The agreed fee applies.",
        "swap.completed": "Your swap at {station_id} is complete. See the receipt.",
        "swap.closed": "Your swap at {station_id} was closed by a person. See the case.",
        "swap.half": "We have your pack at {station_id}; yours is still there, and free so far.",
        "invoice.issued": "Invoice {invoice_no} is ready. Please pay by {due_on}.",
        "payment.failed": "Payment of invoice {invoice_no} did not go through. Pay by {due_on}.",
        "payment.needs_action": "Your bank asks you to confirm the payment of {invoice_no}.",
        "station.down": "{station_id} has not reported since {since}. Keep or move your booking.",
        "case.answered": "You have an answer to your request for help.",
        "case.closed": "Your request for help was closed. Write within 14 days to open it again.",
    },
    "zh": {
        "booking.hold_ending": "您在 {station_id} 的预约将于 {until} 到期，可延长或取消。",
        "booking.replaced": "已为您换成同级或更好的电池包，价格不变。",
        "booking.canceled": "您在 {station_id} 的预约已取消。",
        "booking.failed": "{station_id} 暂时无法为您服务。免收费用，已补偿余额。",
        "booking.rejected": "{station_id} 未为您保留电池包：银行未完成预授权，请重试。",
        "booking.no_show": "您未按时到达 {station_id}，按约定收取费用。",
        "swap.completed": "您在 {station_id} 的换电已完成，可查看账单。",
        "swap.closed": "您在 {station_id} 的换电已由人工处理，请查看处理记录。",
        "swap.half": "{station_id} 已收到您的电池包，您的新电池包仍在站内，未扣款。",
        "invoice.issued": "账单 {invoice_no} 已生成，请于 {due_on} 前付清。",
        "payment.failed": "账单 {invoice_no} 支付未成功，请于 {due_on} 前付清。",
        "payment.needs_action": "您的银行需要您确认账单 {invoice_no} 的支付。",
        "station.down": "{station_id} 自 {since} 起未上报，您可以保留或更改预约。",
        "case.answered": "您的求助已有回复。",
        "case.closed": "您的求助已关闭，14 天内留言可重新打开。",
    },
}


def words_of(kind: str, text_key: str, facts: dict[str, str], language: str) -> tuple[str, str]:
    """Give title and text of a notice in a language."""
    text = TEXTS[language][text_key]
    for name, value in facts.items():
        text = text.replace(f"{{{name}}}", value)
    return TITLES[language][kind], text
