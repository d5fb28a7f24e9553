"""Nothing secret in what is shown: index addresses carry credentials, and other programs print them."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?<=://)[^/\s'\"<>]*@")


def redact(text: str) -> str:
    """Return the text with the user and password of every URL replaced by ``***``."""
    return _USERINFO.sub("***@", text)
