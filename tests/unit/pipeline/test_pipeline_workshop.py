from __future__ import annotations

import pytest

from builder.errors import UsageError
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
