from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import EngineError
from builder.host.clock import Clock
from builder.host.settings import Settings
from builder.host.terminal import Terminal
from builder.oci.image import BlobSource, Image
from builder.pipeline.loading import Loading
from builder.pipeline.workshop import Workshop
from builder.plan.compile import LockedTexts, compile_plan
from builder.store.blobs import BlobStore
from tests.support.bundles import AMD64, make_bundle, make_inventory, make_lock

PLAN = compile_plan(
    make_bundle(),
    make_lock(),
    make_inventory(),
    platform=AMD64,
    texts=LockedTexts(requirements="", server=""),
    kiln_version="0.1.0",
)
IMAGE = Image(config=PLAN.config, layers=())


class Slow:
    """A loader that is done when it is let go on, or given up."""

    name = "slow"

    def __init__(self, failure: EngineError | None = None) -> None:
        self.begun, self.go_on, self.failure = threading.Event(), threading.Event(), failure
        self.loads = 0
        self.tags: list[tuple[str, str]] = []

    def load(self, image: Image, blobs: BlobSource, *, like: tuple[str, ...] = ()) -> str:
        assert (image, like) == (IMAGE, (PLAN.tag,))
        self.loads += 1
        self.begun.set()
        assert self.go_on.wait(20)
        if self.failure is not None:
            raise self.failure
        return "sha256:held"

    def tag(self, image_id: str, name: str) -> None:
        self.tags.append((image_id, name))

    def give_up(self) -> None:
        self.failure = EngineError.of("given up")
        self.go_on.set()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    settings = Settings(home=tmp_path, jobs=2)
    return Workshop(settings=settings, store=BlobStore(settings.store), terminal=Terminal(quiet=True), clock=Clock())


def test_an_image_is_sent_beside_what_else_is_done_and_once(workshop: Workshop) -> None:
    slow = Slow()
    loading = Loading(workshop, lambda: slow, PLAN, abort=slow.give_up)
    loading.send([IMAGE])
    assert slow.begun.wait(20)  # and here we are, though it is not done
    assert slow.tags == []
    slow.go_on.set()
    loading.settle([IMAGE])
    loading.name([IMAGE], ["a:1", "a:2"])
    loading.close()
    assert (slow.loads, slow.failure) == (1, None)
    assert slow.tags == [("sha256:held", "a:1"), ("sha256:held", "a:2")]


def test_an_image_nobody_names_is_sent_no_further(workshop: Workshop) -> None:
    slow = Slow()
    loading = Loading(workshop, lambda: slow, PLAN, abort=slow.give_up)
    loading.send([IMAGE])
    assert slow.begun.wait(20)
    loading.close()
    assert slow.failure is not None
    assert slow.tags == []


def test_what_the_engine_says_against_it_is_raised_when_it_is_settled(workshop: Workshop) -> None:
    slow = Slow(EngineError.of("no space left"))
    loading = Loading(workshop, lambda: slow, PLAN, abort=slow.give_up)
    loading.send([IMAGE])
    slow.go_on.set()
    with pytest.raises(EngineError, match="no space left"):
        loading.settle([IMAGE])
    loading.close()


def test_with_one_job_one_thing_is_done_at_a_time(workshop: Workshop) -> None:
    slow = Slow()
    slow.go_on.set()
    loading = Loading(
        replace(workshop, settings=replace(workshop.settings, jobs=1)), lambda: slow, PLAN, abort=slow.give_up
    )
    loading.send([IMAGE])
    assert slow.loads == 1
    loading.close()
