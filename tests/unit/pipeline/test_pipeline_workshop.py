from __future__ import annotations

import threading
from pathlib import Path

import pytest

from builder.errors import HostError, UsageError
from builder.oci.platform import Platform
from builder.pipeline.stages import chosen_platforms, destination
from builder.pipeline.workshop import Products
from tests.support.bundles import AMD64, ARM64, make_bundle


def test_products_of_one_platform_have_plain_names_and_of_several_one_each() -> None:
    products = Products(make_bundle().root)
    assert products.report(AMD64, is_only=True).name == "smoke.json"
    assert products.report(ARM64, is_only=False).name == "smoke-arm64.json"
    assert products.context(AMD64, is_only=True).name == "context"
    assert products.context(ARM64, is_only=False).name == "context-arm64"


@pytest.mark.parametrize(
    ("registry", "reference"),
    [
        ("127.0.0.1:5000/models", "127.0.0.1:5000/models/models/churn:1.0.0"),
        ("registry.example.com/", "registry.example.com/models/churn:1.0.0"),
    ],
)
def test_the_destination_is_registry_repository_and_version(registry: str, reference: str) -> None:
    assert str(destination(registry, make_bundle())) == reference


@pytest.mark.parametrize("registry", ["models", "", "host:port/x", "http://127.0.0.1:5000"])
def test_a_destination_without_a_registry_is_refused(registry: str) -> None:
    with pytest.raises(UsageError):
        destination(registry, make_bundle())


def test_only_platforms_of_the_bundle_can_be_asked_for() -> None:
    assert chosen_platforms(make_bundle(), ()) == (AMD64,)
    with pytest.raises(UsageError, match="not for linux/arm64"):
        chosen_platforms(make_bundle(), (Platform("linux", "arm64"),))


def test_a_scheme_before_the_registry_is_to_be_left_out() -> None:
    with pytest.raises(UsageError, match="without a scheme") as caught:
        destination("http://127.0.0.1:5000/models/", make_bundle())
    assert "leave out http:// (REGISTRY=127.0.0.1:5000/models)" in str(caught.value.hint)


def test_a_second_one_on_the_same_bundle_says_that_it_waits(tmp_path: Path) -> None:
    said: list[str] = []
    has_waited = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        has_waited.set()

    def second() -> None:
        with Products(tmp_path).guarded(say):
            said.append("goes on")

    thread = threading.Thread(target=second)
    with Products(tmp_path).guarded(said.append):
        thread.start()
        assert has_waited.wait(10)
        assert said == ["  waiting for another kiln on this bundle"]
    thread.join(10)
    assert said[1:] == ["goes on"]


def test_a_file_in_the_place_of_the_build_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("mine")
    with pytest.raises(HostError, match="a file named build is in the way") as caught, Products(tmp_path).guarded():
        pass
    assert "rename" in str(caught.value.hint)
    assert (tmp_path / "build").read_text() == "mine"
