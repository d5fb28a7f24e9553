from __future__ import annotations

import pytest

from builder.lock.redaction import redact


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        ("Looking in https://user:pass@host/simple", "Looking in https://***@host/simple"),
        ("https://token@host/x and http://a:b@c/d", "https://***@host/x and http://***@c/d"),
        ("https://user:p@ss@host/simple", "https://***@host/simple"),
        ("'https://u:p@h'", "'https://***@h'"),
        ("https://host/simple", "https://host/simple"),
        ("mail me@host", "mail me@host"),
        ("https://host/pkg@1.0", "https://host/pkg@1.0"),
    ],
)
def test_redaction_hides_what_stands_before_the_host(shown: str, wanted: str) -> None:
    assert redact(shown) == wanted
