from pathlib import Path

import pytest

from builder.base.signature import verified_release
from builder.errors import BaseImageError, HostError


def in_release(repository: Path) -> bytes:
    return (repository / "debian/dists/bookworm/InRelease").read_bytes()


def test_only_the_signed_text_is_returned(repository: Path) -> None:
    content = b"Codename: forged\n\n" + in_release(repository)
    text = verified_release(content, keyring=repository / "keyring.gpg", at="here")
    assert "Codename: bookworm" in text
    assert "forged" not in text
    assert "PGP" not in text


def test_a_changed_release_file_is_refused(repository: Path) -> None:
    content = in_release(repository).replace(b"Version: 12.15", b"Version: 12.16")
    with pytest.raises(BaseImageError) as caught:
        verified_release(content, keyring=repository / "keyring.gpg", at="http://mirror.invalid/InRelease")
    text = caught.value.render()
    assert "the repository's signature is not good" in text
    assert "http://mirror.invalid/InRelease" in text
    assert "BAD signature" in text


def test_a_signature_by_a_stranger_is_refused(repository: Path) -> None:
    with pytest.raises(BaseImageError) as caught:
        verified_release(in_release(repository), keyring=repository / "stranger.gpg", at="here")
    assert "stranger.gpg" in caught.value.render()
    assert "KILN_DEBIAN_KEYRING" in caught.value.render()


@pytest.mark.parametrize("content", [b"", b"Codename: bookworm\n", b"<html>log in to the wireless network</html>"])
def test_a_file_without_a_signature_is_refused(repository: Path, content: bytes) -> None:
    with pytest.raises(BaseImageError, match="signature is not good"):
        verified_release(content, keyring=repository / "keyring.gpg", at="here")


def test_a_machine_without_gpgv_says_so(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="gpgv is not installed"):
        verified_release(in_release(repository), keyring=repository / "keyring.gpg", at="here")
