"""What a name stands for, where there is no engine."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from builder.errors import EngineUnavailableError, NotBuiltError
from builder.host.clock import Clock
from builder.host.settings import load_settings
from builder.host.terminal import Terminal
from builder.pipeline import comparison
from builder.pipeline.images import Wanted, open_image
from builder.pipeline.workshop import Workshop
from builder.store.blobs import BlobStore


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    monkeypatch.chdir(tmp_path)
    store = BlobStore(tmp_path / "store")
    return Workshop(settings=load_settings(), store=store, terminal=Terminal(io.StringIO()), clock=Clock())


def test_a_name_that_stands_for_nothing_is_not_blamed_on_the_engine(workshop: Workshop) -> None:
    with pytest.raises(EngineUnavailableError) as caught, open_image(workshop, Wanted(name="nothere")):
        pass
    (fault,) = caught.value.faults
    assert fault.fact == "no such bundle or layout nothere, and no engine to ask for an image of that name"
    assert "does not answer" in (fault.got or "")


@pytest.mark.parametrize("name", ["docker-daemon:nothere", "sha256:" + "1" * 64])
def test_what_only_an_engine_can_have_is_blamed_on_it(workshop: Workshop, name: str) -> None:
    raises = pytest.raises(EngineUnavailableError, match="the container engine does not answer")
    with raises, open_image(workshop, Wanted(name=name)):
        pass


def test_both_images_of_a_comparison_are_looked_for_before_one_is_read(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        pytest.fail("an image was read")

    monkeypatch.setattr(comparison, "open_image", read)
    layout = tmp_path / "layout"
    layout.mkdir()
    (layout / "index.json").write_text("{}")
    with pytest.raises(EngineUnavailableError, match="no such bundle or layout nothere"):
        comparison.diff(workshop, Wanted(name="layout"), Wanted(name="nothere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotBuiltError, match="no built image here"):
        comparison.diff(workshop, Wanted(name="oci:layout"), Wanted(name="empty"))
