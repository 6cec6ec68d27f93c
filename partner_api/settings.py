"""The settings of the doors."""

import msgspec


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the doors are seen from outside, who may come in, and how often."""

    public_url: str = "http://127.0.0.1:8000"
    clients_file: str = ""
    keys_file: str = ""
    facts_folder: str = ""
    device_logs: str = ""
    trusted_proxies: str = ""
    client_per_minute: int = 120
    log_per_minute: int = 600
    driver_reads_per_minute: int = 120
    driver_writes_per_minute: int = 30
    auth_per_minute: int = 10
    app_redirects: str = "org.mobilegrid.app:/signed-in"
    address_key_file: str = ""
    check_in_key_file: str = ""


MEANINGS = {
    "doors.public_url": "scheme and host under which partners reach us; assertions name it",
    "doors.clients_file": "TOML file of who may sign in and their public keys; empty: nobody",
    "doors.keys_file": "verifier keys of the log, one a line; empty: the software signer's",
    "doors.facts_folder": "facts files for passports, <pack class>.json each; empty: none",
    "doors.device_logs": "audit logs of the signer's devices, <device>.jsonl each; empty: none",
    "doors.trusted_proxies": "addresses whose X-Forwarded-For counts, with commas; empty: none",
    "doors.client_per_minute": "requests of one client in a minute",
    "doors.log_per_minute": "requests of one address to the log in a minute",
    "doors.driver_reads_per_minute": "reads of one driver in a minute",
    "doors.driver_writes_per_minute": "commands of one driver in a minute",
    "doors.auth_per_minute": "tries of one address to sign a driver in, in a minute",
    "doors.address_key_file": "key of drivers' addresses, mode 600; empty: beside a ledger file",
    "doors.check_in_key_file": "secret that signs check-in codes; empty: beside a ledger file",
    "doors.app_redirects": "where the app on a phone is sent after signing in, with commas",
}
"""What each setting does, by its path."""
