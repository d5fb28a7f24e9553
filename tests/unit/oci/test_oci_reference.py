from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.oci.digest import Digest
from builder.oci.reference import Reference

DIGEST = Digest.of(b"x")


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag"),
    [
        ("churn", None, "churn", None),
        ("churn:1.0.0", None, "churn", "1.0.0"),
        ("models/churn:1", None, "models/churn", "1"),
        ("localhost/churn", "localhost", "churn", None),
        ("127.0.0.1:5000/models/churn:1.0.0", "127.0.0.1:5000", "models/churn", "1.0.0"),
        ("registry.example/a/b__c/d-e.f:v", "registry.example", "a/b__c/d-e.f", "v"),
        ("[::1]:5000/churn:1", "[::1]:5000", "churn", "1"),
        ("Registry.Example:443/churn", "Registry.Example:443", "churn", None),
    ],
)
def test_reads_names_as_docker_does(text: str, registry: str | None, repository: str, tag: str | None) -> None:
    parsed = Reference.parse(text)
    assert (parsed.registry, parsed.repository, parsed.tag, parsed.digest) == (registry, repository, tag, None)
    assert str(parsed) == text
    assert Reference.parse(f"{text}@{DIGEST}") == parsed.with_digest(DIGEST)


@pytest.mark.parametrize(
    "text",
    ["", ":", "/", "a//b", "A/b", "churn:", "churn:a b", "churn:-a", "churn@", "churn@sha256:1", "a/b/", "a_/b", "../b",
     "host:port/b", "host.example:123456/b", "churn:" + "1" * 129, "a" * 256, "churn:1\n", "http://host/b"],
)  # fmt: skip
def test_malformed_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        Reference.parse(text)


def test_a_tag_replaces_a_digest_and_a_digest_stands_beside_a_tag() -> None:
    name = Reference.parse("localhost:5000/churn:1")
    assert str(name.with_digest(DIGEST)) == f"localhost:5000/churn:1@{DIGEST}"
    assert str(name.with_digest(DIGEST).with_tag("2")) == "localhost:5000/churn:2"
    assert name.name == "localhost:5000/churn"


_part = st.from_regex(r"[a-z0-9]{1,6}([._-][a-z0-9]{1,6})?", fullmatch=True)


@given(
    registry=st.none() | st.sampled_from(["localhost", "127.0.0.1:5000", "r.example"]),
    repository=st.lists(_part, min_size=1, max_size=3).map("/".join),
    tag=st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True),
    digest=st.none() | st.just(DIGEST),
)
def test_reads_back_what_it_writes(
    registry: str | None, repository: str, tag: str | None, digest: Digest | None
) -> None:
    first, _, rest = repository.partition("/")
    if registry is None and rest and "." in first:
        return  # such a name would be read as a registry's
    name = Reference(registry=registry, repository=repository, tag=tag, digest=digest)
    assert Reference.parse(str(name)) == name
