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


MEANINGS = {
    "doors.public_url": "scheme and host under which partners reach us; assertions name it",
    "doors.clients_file": "TOML file of who may sign in and their public keys; empty: nobody",
    "doors.keys_file": "verifier keys of the log, one a line; empty: the software signer's",
    "doors.facts_folder": "facts files for passports, <pack class>.json each; empty: none",
    "doors.device_logs": "audit logs of the signer's devices, <device>.jsonl each; empty: none",
    "doors.trusted_proxies": "addresses whose X-Forwarded-For counts, with commas; empty: none",
    "doors.client_per_minute": "requests of one client in a minute",
    "doors.log_per_minute": "requests of one address to the log in a minute",
}
"""What each setting does, by its path."""
