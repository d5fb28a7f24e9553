from pathlib import Path

import pytest

from builder.base.mirrors import MAIN, SECURITY, find_keyring, find_mirrors
from builder.errors import SettingsError
from builder.host.settings import Settings


def write_apt(root: Path, **files: str) -> Path:
    (root / "sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        path = root / "sources.list" if name == "sources_list" else root / "sources.list.d" / name.replace("__", ".")
        path.write_text(text)
    return root


def test_one_line_sources_are_read(tmp_path: Path) -> None:
    apt = write_apt(
        tmp_path / "apt",
        sources_list="""
# deb http://commented.invalid/debian bookworm main
deb [arch=amd64 signed-by=/x.gpg] http://one.invalid/debian/ bookworm main contrib # note
deb-src http://source.invalid/debian bookworm main
deb http://one.invalid/debian-security bookworm-security main
deb cdrom:[Debian]/ bookworm main
deb "unbalanced
""",
    )
    mirrors = find_mirrors(Settings(home=tmp_path), apt=apt)
    assert mirrors.roots == {
        MAIN: ("http://one.invalid/debian",),
        SECURITY: ("http://one.invalid/debian-security",),
    }


def test_deb822_sources_are_read(tmp_path: Path) -> None:
    apt = write_apt(
        tmp_path / "apt",
        debian__sources="""\
Types: deb deb-src
URIs: https://two.invalid/debian https://three.invalid/pub/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://two.invalid/debian-security/
Suites: trixie-security
Components: main

Types: deb
URIs: https://off.invalid/debian
Suites: trixie
Components: main
Enabled: no
""",
    )
    mirrors = find_mirrors(Settings(home=tmp_path), apt=apt)
    assert mirrors.roots[MAIN] == ("https://two.invalid/debian", "https://three.invalid/pub/debian")
    assert mirrors.roots[SECURITY] == ("https://two.invalid/debian-security",)


def test_a_vendors_repository_is_not_taken_for_debian(tmp_path: Path) -> None:
    apt = write_apt(
        tmp_path / "apt",
        vendor__list="""
deb https://docker.invalid/linux/debian bookworm stable
deb https://pg.invalid/pub/repos/apt bookworm-pgdg main
deb https://node.invalid/node_20.x nodistro main
deb https://other.invalid/tools bookworm main
deb file:/opt/packages bookworm main
""",
        broken__sources="this is not a field\n",
    )
    assert find_mirrors(Settings(home=tmp_path), apt=apt).roots == {MAIN: (), SECURITY: ()}


def test_a_frozen_archive_and_the_security_host_of_old_are_recognised(tmp_path: Path) -> None:
    apt = write_apt(
        tmp_path / "apt",
        sources_list="""
deb http://frozen.invalid/archive/debian/20250520T000000Z bookworm main
deb http://security.invalid/ bookworm-security main
deb file:///srv/debian bookworm-updates main
""",
    )
    assert find_mirrors(Settings(home=tmp_path), apt=apt).roots == {
        MAIN: ("http://frozen.invalid/archive/debian/20250520T000000Z", "file:///srv/debian"),
        SECURITY: ("http://security.invalid",),
    }


def test_settings_win_over_apt_sources(tmp_path: Path) -> None:
    apt = write_apt(tmp_path / "apt", sources_list="deb http://one.invalid/debian bookworm main\n")
    settings = Settings(home=tmp_path, debian_mirror="file:///srv/debian/", debian_snapshot="https://old.invalid/")
    mirrors = find_mirrors(settings, apt=apt)
    assert mirrors.of(MAIN) == ("file:///srv/debian",)
    assert mirrors.snapshot == "https://old.invalid"


def test_no_mirror_anywhere_says_what_to_set(tmp_path: Path) -> None:
    mirrors = find_mirrors(Settings(home=tmp_path), apt=tmp_path / "missing")
    with pytest.raises(SettingsError) as caught:
        mirrors.of(MAIN)
    assert "KILN_DEBIAN_MIRROR" in caught.value.render()
    with pytest.raises(SettingsError) as caught:
        mirrors.of(SECURITY)
    assert "KILN_DEBIAN_SECURITY_MIRROR" in caught.value.render()


@pytest.mark.parametrize("url", ["mirror.invalid/debian", "ftp://mirror.invalid/debian", "file:relative", "https://"])
def test_a_mirror_that_is_no_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="mirror is not a URL"):
        find_mirrors(Settings(home=tmp_path, debian_mirror=url), apt=tmp_path)


def test_a_missing_keyring_says_what_to_install_or_set(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        find_keyring(Settings(home=tmp_path, debian_keyring=str(tmp_path / "none.gpg")))
    assert "none.gpg" in caught.value.render()
    assert "KILN_DEBIAN_KEYRING" in caught.value.render()
