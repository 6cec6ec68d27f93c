"""Where a peer is known to differ from the contract: by peer, the reason, and the cases.

A case that fails and stands not here is a failure; one that stands here and passes is one too, so
that the table stays true. `softhsm2` and `sim` have no row: they are the two we rely on.
"""

_EDWARDS = (
    "an_edwards_key_signs_what_anybody_verifies",
    "the_curve_may_be_named_as_a_printable_string",
    "an_edwards_signature_is_always_the_same",
    "an_edwards_key_signs_the_empty_message",
    "an_edwards_key_signs_a_long_message",
    "two_keys_sign_differently",
    "a_signing_key_still_signs_after_starting_anew",
    "a_new_signing_key_was_made_here_and_never_left",
    "a_private_value_is_never_read",
    "a_key_made_by_the_adapter_signs",
)
_GCM = (
    "what_is_sealed_opens_again",
    "a_sealed_key_has_sixteen_bytes_more",
    "nothing_is_sealed_to_a_tag_alone",
    "sealing_works_without_a_context",
    "another_context_opens_nothing",
    "a_tampered_seal_opens_nothing",
    "another_nonce_opens_nothing",
    "another_key_opens_nothing",
    "a_key_works_on_after_bytes_that_did_not_open",
    "sixty_four_kilobytes_are_sealed",
    "what_one_session_sealed_another_opens",
    "the_adapter_seals_and_opens",
    "the_adapter_seals_with_a_fresh_nonce_each_time",
    "what_does_not_open_is_told_from_a_sick_device",
)
_KEY_WRAP = (
    "a_wrapped_key_has_eight_bytes_more",
    "wrapping_gives_the_same_bytes_each_time",
    "a_restored_key_opens_what_the_original_sealed",
    "a_restored_key_remembers_that_it_came_from_outside",
    "a_restored_key_may_be_closed_for_ever",
    "a_key_that_may_not_leave_is_not_wrapped",
    "a_key_closed_for_ever_is_not_wrapped",
    "a_tampered_wrapped_key_is_not_restored",
    "a_wrapped_key_cut_short_is_not_restored",
    "a_failed_restore_leaves_nothing",
    "a_key_moves_under_the_wrapping_key",
    "a_closed_key_moves_no_more",
    "the_wrapping_key_is_the_sum_of_its_officers_parts",
)
_SECRET_KEYS = (
    "an_extractable_key_says_so_for_ever",
    "a_seal_cut_short_opens_nothing",
    "a_seal_shorter_than_its_tag_opens_nothing",
    "a_secret_value_is_never_read",
    "a_secret_key_was_made_here",
    "a_secret_key_tells_its_length",
    "a_key_for_wrapping_does_not_encrypt",
    "a_key_for_encrypting_does_not_wrap",
    "a_second_secret_key_of_a_name_is_refused",
)

_BY_REASON: dict[str, dict[str, tuple[str, ...]]] = {
    "p11kit": {
        "no EdDSA over the socket of this version": _EDWARDS,
        "no AES-GCM over the socket of this version": _GCM,
        "no AES key wrap over the socket of this version": _KEY_WRAP,
    },
    "tpm2": {
        "no EdDSA": _EDWARDS,
        "makes no secret keys": (*_GCM, *_KEY_WRAP, *_SECRET_KEYS),
        "every token has the serial 0000000000000000": (
            "a_token_is_found_by_its_serial",
            "the_adapter_logs_in_by_serial",
        ),
        "no flag shows a wrong PIN (set counts_pins = false)": (
            "a_wrong_pin_is_counted_for_all_to_see",
            "after_a_wrong_pin_the_adapter_leaves_the_token_alone",
        ),
        "a wrong old PIN is a general error": ("a_pin_is_not_changed_by_who_does_not_know_it",),
        "any length of PIN will do": ("a_pin_too_short_is_refused",),
        "attributes that must not change can be written": (
            "a_key_cannot_be_made_extractable_later",
            "a_key_cannot_lose_its_secrecy",
            "nobody_writes_history",
        ),
        "a key handle at work goes on signing after SIGN was taken": (
            "a_key_that_may_not_sign_does_not",
        ),
        "no keys of a session": ("a_key_of_a_session_ends_with_it",),
    },
    "nss": {
        "no EdDSA": _EDWARDS,
        "AES-GCM does not tell how much room its output needs": (
            *_GCM,
            "a_restored_key_opens_what_the_original_sealed",
            "a_key_moves_under_the_wrapping_key",
        ),
        "every token has the serial 0000000000000000": (
            "a_token_is_found_by_its_serial",
            "the_adapter_logs_in_by_serial",
        ),
        "session handles are given out again at once": (
            "starting_anew_ends_every_session",
            "a_closed_session_is_of_no_use",
        ),
        "no flag shows a wrong PIN (set counts_pins = false)": (
            "a_wrong_pin_is_counted_for_all_to_see",
            "after_a_wrong_pin_the_adapter_leaves_the_token_alone",
        ),
        "the security officer has no part in a token that has its PIN": (
            "a_failed_login_leaks_a_session_that_starting_anew_frees",
            "the_security_officer_logs_in",
            "the_security_officer_is_refused_beside_a_read_only_session",
            "a_wrong_security_officer_pin_is_refused",
            "the_security_officer_gives_a_new_pin",
            "a_failed_login_leaves_no_session_behind",
        ),
        "any length of PIN will do": ("a_pin_too_short_is_refused",),
        "new keys are not LOCAL; our adapter refuses to make one": (
            "a_p256_key_has_its_history",
            "a_secret_key_was_made_here",
            "a_key_made_by_the_adapter_is_named_by_its_public_half",
            "the_adapter_makes_and_uses_a_p256_key",
            "the_public_half_is_read_from_the_token",
            "a_retired_key_signs_no_more_and_says_so",
            "a_destroyed_pair_is_gone",
        ),
        "history can be written": ("nobody_writes_history",),
        "a second key of an id takes the place of the first": (
            "two_keys_of_one_id_are_not_chosen_between",
            "two_keys_of_one_id_are_not_chosen_between_nor_spoil_later_searches",
        ),
        "keys that must not leave are wrapped all the same": (
            "a_key_that_may_not_leave_is_not_wrapped",
            "a_key_closed_for_ever_is_not_wrapped",
            "a_closed_key_moves_no_more",
        ),
    },
}

DEVIATIONS: dict[tuple[str, str], str] = {
    (peer, case): reason
    for peer, reasons in _BY_REASON.items()
    for reason, cases in reasons.items()
    for case in cases
}
"""(peer, case) and why the peer fails it."""
