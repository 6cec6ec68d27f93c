"""Slices of the Chinese font that the browser's engine asks for, one by one, as text needs them.

The engine knows the families of Noto Sans for Chinese, Japanese and Korean cut into numbered
slices, and asks for the first family that has a letter; the slices shipped here are those of
Simplified Chinese (SIL Open Font License, beside them), which serve every one of these families.
"""

import re
from functools import cache

from customer_app.hosting.runtime import WEB

_SLICES = WEB / "fonts" / "noto-sans-sc"
_NAME = re.compile(r"notosans(?:sc|hk|tc|jp|kr)/v\d+/[A-Za-z0-9_-]+\.(\d{1,3})\.woff2")


@cache
def font_slice(name: str) -> bytes | None:
    """Give the slice that the engine asks for by `name`; None when it is none of ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    path = _SLICES / f"{int(found[1])}.woff2"
    return path.read_bytes() if path.is_file() else None
