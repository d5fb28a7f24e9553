"""A whole OCI layout against committed digests: it moves only with ASSEMBLY_VERSION or with the plan.

Everything in it is synthetic but the wheel, which is committed as it is beside the golden layers. After a change that
is meant: UPDATE_GOLDEN=1 pytest tests/golden/images, and read the difference; where the same plan gives other bytes,
move ASSEMBLY_VERSION as well.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from builder.assemble.assembler import assemble
from builder.assemble.layer import write_layer
from builder.bundle.model import BundleFile, Inventory
from builder.compare.difference import Difference, difference_table
from builder.compare.opened import OpenedImage, open_linked
from builder.compare.sameness import read_headers
from builder.oci.digest import Digest
from builder.oci.entry import Entry, InlineContent
from builder.oci.image import Image
from builder.oci.media_type import ManifestFormat
from builder.plan.compile import LockedTexts, compile_plan
from builder.plan.model import ASSEMBLY_VERSION, Origin
from builder.store.blobs import BlobStore
from builder.store.layout import write_layout
from tests.support.bundles import AMD64, make_bundle, make_lock
from tests.support.wheels import source_of

HERE = Path(__file__).parent
GOLDEN = HERE / f"assembly-{ASSEMBLY_VERSION}.json"
WHEEL = HERE.parent / "layers" / "golden_demo-1.0-py3-none-any.whl"
FILES = {
    Origin.BUNDLE: {"model/churn.joblib": bytes(range(256)) * 40, "score.py": b"def predict(model, records): ...\n"},
    Origin.RUNTIME: {"entry.py": b"print('entry')\n", "probe.py": b"print('probe')\n"},
}
TEXTS = LockedTexts(requirements="golden-demo==1.0\n", server="golden-demo==1.0\n")


def files_of(origin: Origin, *paths: str) -> tuple[BundleFile, ...]:
    contents = FILES[origin]
    return tuple(BundleFile(path=path, digest=Digest.of(contents[path]), size=len(contents[path])) for path in paths)


def make_image(root: Path) -> tuple[Image, BlobStore]:
    store = BlobStore(root / "store")
    store.add_file(WHEEL)
    origins = {origin: root / str(origin) for origin in FILES}
    for origin, contents in FILES.items():
        for path, content in contents.items():
            (origins[origin] / path).parent.mkdir(parents=True, exist_ok=True)
            (origins[origin] / path).write_bytes(content)
    base = write_layer(
        [Entry.file("etc/os-release", InlineContent(b"ID=golden\n")), Entry.directory("tmp", mode=0o1777)],
        store,
        title="golden base",
    )
    lock, wheel = make_lock(), source_of(WHEEL).wheel
    on_amd64 = replace(lock.base.platforms[0], layers=(base,))
    lock = replace(
        lock,
        base=replace(lock.base, platforms=(on_amd64,)),
        platforms=(replace(lock.platforms[0], wheels=(wheel,), server_wheels=(wheel,)),),
    )
    inventory = Inventory(
        model=files_of(Origin.BUNDLE, "model/churn.joblib"),
        code=files_of(Origin.BUNDLE, "score.py"),
        runtime=files_of(Origin.RUNTIME, "entry.py", "probe.py"),
    )
    plan = compile_plan(make_bundle(), lock, inventory, platform=AMD64, texts=TEXTS, kiln_version="0.1.0")
    image = assemble(plan, store=store, origins=origins, deb_entries=lambda _: (), interpreter=None, jobs=2)
    return image, store


def described(image: Image, opened: OpenedImage) -> dict[str, Any]:
    return {
        "assembly_version": ASSEMBLY_VERSION,
        "image_id": str(image.image_id),
        "manifests": {str(form): str(image.manifest(form).descriptor.digest) for form in ManifestFormat},
        "config": image.config.to_dict(),
        "layers": [
            {
                "holds": layer.title,
                "diff_id": str(layer.diff_id),
                "blob": str(layer.digest),
                "size": layer.size,
                "entries": {path: asdict(header) for path, header in read_headers(layer.tar, layer.title).items()},
            }
            for layer in opened.layers
        ],
    }


def flat(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        return {key: leaf for name in value for key, leaf in flat(value[name], f"{path}/{name}").items()}
    if isinstance(value, list):
        return {key: leaf for number, one in enumerate(value) for key, leaf in flat(one, f"{path}/{number}").items()}
    return {path: str(value)}


def test_the_layout_is_that_of_this_assembly_version(tmp_path: Path) -> None:
    image, store = make_image(tmp_path)
    write_layout(store, [image], tmp_path / "layout", tag="1.0.0")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    got = described(image, open_linked("golden", image, store, scratch))
    got["index"] = str(Digest.of((tmp_path / "layout" / "index.json").read_bytes()))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(got, indent=1, ensure_ascii=False) + "\n")
    want = json.loads(GOLDEN.read_text())
    one, other = flat(want), flat(got)
    found = [
        Difference(
            place="golden layout",
            path=path.rpartition("/")[0],
            field=path.rpartition("/")[2],
            want=one.get(path, "nothing"),
            got=other.get(path, "nothing"),
        )
        for path in sorted({*one, *other}, key=lambda path: (not path.startswith("/layers"), path))
        if one.get(path) != other.get(path)
    ]
    assert not found, "\n" + difference_table(found, want="committed", got="made")


def test_a_mismatch_would_be_shown_as_a_table_of_fields() -> None:
    want = json.loads(GOLDEN.read_text())
    leaves = flat(want)
    assert leaves["/layers/0/entries/tmp/mode"] == "1777"
    assert {"/image_id", "/index", "/manifests/oci", "/manifests/docker", "/config/config/User"} <= leaves.keys()
