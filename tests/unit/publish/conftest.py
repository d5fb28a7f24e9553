from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.publish.credentials import Credentials
from builder.publish.patience import Patience
from builder.publish.transport import Access
from builder.store.blobs import BlobStore
from tests.support.clocks import SteppedClock
from tests.support.registry import FakeRegistry, fake_registry


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as running:
        yield running


@pytest.fixture
def access(clock: SteppedClock, tmp_path: Path) -> Access:
    """Reach registries without this machine's configuration, and without waiting."""
    return Access(
        environ={"HOME": str(tmp_path)},
        credentials=lambda _: None,
        certificates=tmp_path / "certs.d",
        patience=Patience(clock=clock, jitter=lambda: 1.0),
    )


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


@pytest.fixture
def alice() -> Callable[[str], Credentials]:
    return lambda _: Credentials(username="alice", password="s3cret-word")
