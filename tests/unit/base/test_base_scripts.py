import pytest
from fake_debs import deb_of, stored_deb

from builder.base.deb import unpack_deb
from builder.base.scripts import check_scripts, first_action, stand_in
from builder.errors import BaseImageError
from builder.store.blobs import BlobStore


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\nset -e\n\nexit 0\n",
        '#!/bin/sh\nset -e\ndpkg-maintscript-helper rm_conffile /etc/drirc 19.0.3-1\\~ -- "$@"\n',
        '#! /bin/sh -e\nif [ "$1" = configure ]; then\n\tldconfig\nfi\n',
        """#!/bin/sh
case "$1" in
  configure|reconfigure)
    ;;
  *)
    echo "called with unknown argument '$1'" >&2
    exit 1
    ;;
esac
""",
        """#!/bin/sh
for lib in a b; do
  dpkg-divert --package x --no-rename --divert "/$lib.usr-is-merged" \\
    --add "/$lib"
done
""",
        "# comment only",
        "",
    ],
)
def test_scripts_that_do_nothing_on_a_first_installation_are_idle(script: str) -> None:
    assert first_action(script) is None


@pytest.mark.parametrize(
    ("script", "action"),
    [
        ("#!/bin/sh\nadduser --system x\n", "adduser --system x"),
        ("#!/bin/sh\nset -e\nupdate-alternatives --install a b c 1\n", "update-alternatives --install a b c 1"),
        ("#!/usr/bin/perl\nprint 1;\n", "#!/usr/bin/perl"),
        ('#!/bin/sh\nif [ -x "$(command -v x)" ]; then\nfi\n', 'if [ -x "$(command -v x)" ]; then'),
        ("#!/bin/sh\necho `reboot`\n", "echo `reboot`"),
        ("#!/bin/sh\n: > /etc/file\n", ": > /etc/file"),
        ("#!/bin/sh\necho x > /etc/file\n", "echo x > /etc/file"),
        ("#!/bin/sh\nif touch /etc/file; then\nfi\n", "if touch /etc/file; then"),
        ("#!/bin/sh\nif [ a ] && touch x; then\nfi\n", "if [ a ] && touch x; then"),
        ("#!/bin/sh\ndpkg-trigger a; reboot\n", "dpkg-trigger a; reboot"),
        ("#!/bin/sh\ntest a && reboot)\n", "test a && reboot)"),
        ("#!/bin/sh\nset -e; rm -rf /x\n", "set -e; rm -rf /x"),
        ("#!/bin/sh\nrm -f /etc/x\n", "rm -f /etc/x"),
    ],
)
def test_a_script_that_may_do_something_is_not_idle(script: str, action: str) -> None:
    assert first_action(script) == action


def test_packages_that_need_their_scripts_are_all_refused_at_once(store: BlobStore) -> None:
    unpacked = [
        unpack_deb(stored_deb(store, deb_of(name, scripts=scripts), name), store)
        for name, scripts in (
            ("fine", {"postinst": "#!/bin/sh\nset -e\n"}),
            ("daemon", {"postinst": "#!/bin/sh\nadduser --system d\n"}),
            ("linker", {"preinst": "#!/bin/sh\nln -s a b\n", "prerm": "#!/bin/sh\nrm b\n"}),
            ("tzdata", {"postinst": "#!/bin/sh\nanything\n"}),
        )
    ]
    with pytest.raises(BaseImageError) as caught:
        check_scripts(unpacked)
    text = caught.value.render()
    assert "package daemon needs its maintainer script postinst" in text
    assert "adduser --system d" in text
    assert "package linker needs its maintainer script preinst" in text
    assert len(caught.value.faults) == 2
    check_scripts([one for one in unpacked if one.deb.name in ("fine", "tzdata")])


def test_a_stand_in_is_known_by_the_whole_name() -> None:
    assert stand_in("python3.13-minimal")
    assert stand_in("libc6")
    assert stand_in("libc6-dev") is None
