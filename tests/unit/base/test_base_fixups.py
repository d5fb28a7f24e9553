from pathlib import Path

import pytest

from builder.base.definition import BaseDefinition, read_definition
from builder.base.fixups import CERTIFICATES, apply_fixups
from builder.base.tree import Tree
from builder.errors import BaseImageError
from builder.oci.entry import Entry, EntryKind, InlineContent


@pytest.fixture
def definition(bases: Path) -> BaseDefinition:
    return read_definition("tiny", bases / "tiny" / "definition.yaml")


def file(path: str, text: str = "", mode: int = 0o644) -> Entry:
    return Entry.file(path, InlineContent(text.encode()), mode=mode)


@pytest.fixture
def tree() -> Tree:
    tree = Tree()
    for entry in (
        file("usr/bin/python3.11", "ELF", 0o755),
        file("usr/lib/x/libc.so.6"),
        Entry.symlink("usr/lib64/ld.so", "../lib/x/ld.so"),
        file("usr/share/libc-bin/nsswitch.conf", "hosts: files dns\n"),
        file("usr/share/ca-certificates/mozilla/B.crt", "B"),
        file("usr/share/ca-certificates/mozilla/A.crt", "A\n"),
        file("usr/share/ca-certificates/mozilla/README", "no"),
    ):
        tree.put(entry)
    return tree


def text_of(tree: Tree, path: str) -> str:
    entry = tree.get(path)
    assert entry is not None
    assert entry.content is not None
    return b"".join(entry.content.chunks()).decode()


def link_of(tree: Tree, path: str) -> str:
    entry = tree.get(path)
    assert entry is not None
    assert entry.kind is EntryKind.SYMLINK
    return entry.link


def test_only_folders_that_have_something_are_linked_into_usr(tree: Tree, definition: BaseDefinition) -> None:
    apply_fixups(tree, definition)
    assert (link_of(tree, "lib"), link_of(tree, "lib64"), link_of(tree, "bin")) == ("usr/lib", "usr/lib64", "usr/bin")
    assert tree.get("libx32") is None


def test_the_certificates_are_sorted_and_each_ends_its_line(tree: Tree, definition: BaseDefinition) -> None:
    apply_fixups(tree, definition)
    assert text_of(tree, CERTIFICATES) == "A\nB\n"
    assert link_of(tree, "usr/lib/ssl/cert.pem") == f"/{CERTIFICATES}"


def test_accounts_can_be_read_by_any_user_but_logins_cannot(tree: Tree, definition: BaseDefinition) -> None:
    apply_fixups(tree, definition)
    assert "kiln:x:10001:0:" in text_of(tree, "etc/passwd")
    assert "nobody:x:65534:65534:" in text_of(tree, "etc/passwd")
    assert text_of(tree, "etc/shadow").splitlines()[0] == "root:*:::::::"
    shadow = tree.get("etc/shadow")
    assert shadow is not None
    assert shadow.mode == 0o640


def test_temporary_folders_are_sticky_and_the_clock_shows_utc(tree: Tree, definition: BaseDefinition) -> None:
    apply_fixups(tree, definition)
    for path in ("tmp", "var/tmp", "run/lock"):
        entry = tree.get(path)
        assert entry is not None
        assert entry.mode == 0o1777
    assert link_of(tree, "etc/localtime") == "/usr/share/zoneinfo/Etc/UTC"
    assert text_of(tree, "etc/nsswitch.conf") == "hosts: files dns\n"


def test_python_goes_by_its_usual_names(tree: Tree, definition: BaseDefinition) -> None:
    apply_fixups(tree, definition)
    assert (link_of(tree, "usr/bin/python3"), link_of(tree, "usr/bin/python")) == ("python3.11", "python3")


def test_a_link_to_a_customisation_that_is_not_there_leads_to_an_empty_one(
    tree: Tree, definition: BaseDefinition
) -> None:
    tree.put(Entry.symlink("usr/lib/python3.11/sitecustomize.py", "/etc/python3.11/sitecustomize.py"))
    apply_fixups(tree, definition)
    assert text_of(tree, "etc/python3.11/sitecustomize.py").startswith("#")


def test_a_base_without_certificates_is_refused(definition: BaseDefinition) -> None:
    bare = Tree()
    bare.put(file("usr/bin/python3.11", "ELF", 0o755))
    with pytest.raises(BaseImageError, match="has no certificates"):
        apply_fixups(bare, definition)


def test_a_base_whose_interpreter_is_missing_or_a_link_is_refused(tree: Tree, definition: BaseDefinition) -> None:
    tree.put(Entry.symlink("usr/bin/python3.11", "elsewhere"))
    with pytest.raises(BaseImageError, match="has no interpreter"):
        apply_fixups(tree, definition)
