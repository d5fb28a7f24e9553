"""Readers that are not ours take the images, and see in them what is there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
import referencing.jsonschema

from builder.compare.contents import contents_of
from builder.compare.opened import OpenedImage
from builder.oci.entry import EntryKind
from tests.support import oci_schemas
from tests.support.disorder import layout_of
from tests.support.docker_registry import docker_registry
from tests.support.kiln import EXAMPLES, Kiln, copy_example
from tests.support.packages import file_of, program

pytestmark = [pytest.mark.engine]


@pytest.fixture(scope="module")
def layouts(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for name in EXAMPLES:
        bundle = copy_example(name, tmp_path_factory.mktemp("bundles") / name)
        kiln("build", bundle)
        found[name] = bundle / "build" / "layout"
    return found


@pytest.fixture(scope="module")
def layout(layouts: dict[str, Path]) -> Path:
    """The image the readers that unpack everything are given."""
    return layouts["churn"]


@pytest.fixture(scope="module")
def image(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> OpenedImage:
    return layout_of(layout, tmp_path_factory.mktemp("opened"))


def read(layout: Path, digest: str) -> Any:
    content = (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == digest
    return json.loads(content)


def entry_of(layout: Path, dialect: str) -> tuple[str, str]:
    """Return the tag and the manifest's digest in one dialect."""
    entries = json.loads((layout / "index.json").read_text())["manifests"]
    entry = next(one for one in entries if dialect in one["mediaType"])
    return entry["annotations"]["org.opencontainers.image.ref.name"], entry["digest"]


def run(*argv: str | Path, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in argv],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environ or {})},
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_document_of_a_layout_is_what_the_specification_says(layouts: dict[str, Path], name: str) -> None:
    layout = layouts[name]
    jsonschema.validate(json.loads((layout / "oci-layout").read_text()), oci_schemas.LAYOUT)
    index = json.loads((layout / "index.json").read_text())
    jsonschema.validate(index, oci_schemas.INDEX)
    named = set()
    for entry in index["manifests"]:
        manifest = read(layout, entry["digest"])
        jsonschema.validate(manifest, oci_schemas.MANIFESTS[entry["mediaType"]])
        config = read(layout, manifest["config"]["digest"])
        jsonschema.validate(config, oci_schemas.CONFIG)
        assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"])
        assert len([line for line in config["history"] if not line.get("empty_layer")]) == len(manifest["layers"])
        for blob in (entry, manifest["config"], *manifest["layers"]):
            path = layout / "blobs" / "sha256" / blob["digest"].removeprefix("sha256:")
            assert path.stat().st_size == blob["size"]
            named.add(path.name)
    assert {path.name for path in (layout / "blobs" / "sha256").iterdir()} == named


@pytest.fixture(scope="module")
def published() -> dict[str, jsonschema.Draft4Validator]:
    """The schemas the specification publishes, as Debian packages them."""
    package = "golang-github-opencontainers-image-spec-dev"
    folder = Path(file_of(package, "/image-spec/schema/defs.json")).parent
    schemas = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    draft = referencing.jsonschema.DRAFT4
    registry: referencing.Registry[Any] = referencing.Registry()
    for name, schema in schemas.items():
        resource = referencing.Resource.from_contents(schema, default_specification=draft)
        # They name each other by file, seen from addresses of one folder and of the folder above.
        for above in ("", "https://opencontainers.org/schema/", "https://opencontainers.org/schema/image/"):
            registry = registry.with_resource(above + name, resource)
    return {name: jsonschema.Draft4Validator(schema, registry=registry) for name, schema in schemas.items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_document_of_a_layout_is_what_the_published_schemas_say(
    layouts: dict[str, Path], published: dict[str, jsonschema.Draft4Validator], name: str
) -> None:
    layout = layouts[name]
    published["image-layout-schema.json"].validate(json.loads((layout / "oci-layout").read_text()))
    index = json.loads((layout / "index.json").read_text())
    published["image-index-schema.json"].validate(index)
    for entry in index["manifests"]:
        published["content-descriptor.json"].validate(entry)
        manifest = read(layout, entry["digest"])
        published["image-manifest-schema.json"].validate(manifest)
        for part in (manifest["config"], *manifest["layers"]):
            published["content-descriptor.json"].validate(part)
        published["config-schema.json"].validate(read(layout, manifest["config"]["digest"]))


def test_the_published_schemas_would_tell(published: dict[str, jsonschema.Draft4Validator]) -> None:
    """They refuse what is wrong: a schema whose references lead nowhere refuses nothing."""
    descriptor = {"mediaType": "application/x", "digest": f"sha256:{'0' * 64}", "size": 1}
    published["content-descriptor.json"].validate(descriptor)
    for wrong in ({"size": "1"}, {"digest": "sha256"}, {"mediaType": "no type"}):
        with pytest.raises(jsonschema.ValidationError):
            published["content-descriptor.json"].validate(descriptor | wrong)
        with pytest.raises(jsonschema.ValidationError):
            published["image-manifest-schema.json"].validate(
                {"schemaVersion": 2, "config": descriptor | wrong, "layers": [descriptor]}
            )
    with pytest.raises(jsonschema.ValidationError):
        published["config-schema.json"].validate({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers"}})


def test_skopeo_copies_it_byte_for_byte_through_a_registry(layout: Path, tmp_path: Path) -> None:
    """By the OCI manifest: skopeo finds no other kind of entry in a layout."""
    skopeo = program("skopeo")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    copy = (skopeo, "--policy", policy, "copy", "--preserve-digests")
    tag, digest = entry_of(layout, "oci")
    again = tmp_path / "again"
    with docker_registry(tmp_path) as registry:
        there = f"docker://{registry.host}/models/churn:{tag}"
        run(*copy, "--dest-tls-verify=false", f"oci:{layout}:{tag}", there)
        raw = run(skopeo, "inspect", "--raw", "--tls-verify=false", there)
        assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == digest
        run(*copy, "--src-tls-verify=false", there, f"oci:{again}:{tag}")
    for layer in read(again, digest)["layers"]:
        path = again / "blobs" / "sha256" / layer["digest"].removeprefix("sha256:")
        assert f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" == layer["digest"]


def test_umoci_unpacks_exactly_the_planned_tree(layout: Path, image: OpenedImage, tmp_path: Path) -> None:
    tag, _ = entry_of(layout, "oci")
    rootless = () if os.geteuid() == 0 else ("--rootless",)
    run(program("umoci"), "unpack", *rootless, "--image", f"{layout}:{tag}", tmp_path / "bundle")
    root = tmp_path / "bundle" / "rootfs"
    found = {str(path.relative_to(root)) for path in root.rglob("*")}
    assert found == set(image.tree)
    for path, entry in image.tree.items():
        status = (root / path).lstat()
        if entry.kind is EntryKind.SYMLINK:
            assert str((root / path).readlink()) == entry.link
            continue
        assert (path, status.st_mode & 0o7777) == (path, entry.mode)
        assert int(status.st_mtime) == 946_684_800
        if not rootless:
            assert (status.st_uid, status.st_gid) == (entry.uid, entry.gid)
        if entry.content is not None:
            assert status.st_size == entry.content.size
    for path in ("opt/model/bundle.json", "opt/model/code/score.py", "opt/model/model/churn.joblib"):
        content = image.tree[path].content
        assert content is not None
        assert (root / path).read_bytes() == b"".join(content.chunks())


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Lend a folder with a short name, as Podman wants for what it runs from."""
    with tempfile.TemporaryDirectory(prefix="kiln-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def test_podman_takes_it_under_its_image_id(layouts: dict[str, Path], short_path: Path) -> None:
    layout = layouts["triage"]
    tag, digest = entry_of(layout, "oci")
    podman = (program("podman"), "--root", short_path / "s", "--runroot", short_path / "r", "--storage-driver", "vfs")
    pulled = run(*podman, "pull", "--quiet", f"oci:{layout}:{tag}").strip()
    assert f"sha256:{pulled}" == read(layout, digest)["config"]["digest"]
    [seen] = json.loads(run(*podman, "image", "inspect", pulled))
    assert seen["Digest"] == digest
    assert seen["Config"]["User"] == "10001:0"
    run(*podman, "rmi", "--force", pulled)


@pytest.fixture
def containerd(tmp_path: Path) -> Iterator[str]:
    """Lend a containerd of the test's own."""
    socket = tmp_path / "c.sock"
    settings = tmp_path / "containerd.toml"
    settings.write_text(
        f'version = 2\nroot = "{tmp_path}/root"\nstate = "{tmp_path}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n'
        f'[grpc]\naddress = "{socket}"\n'
    )
    with (tmp_path / "containerd.log").open("wb") as log:
        daemon = subprocess.Popen([program("containerd"), "--config", str(settings)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while not socket.exists():
            assert daemon.poll() is None, (tmp_path / "containerd.log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield str(socket)
    finally:
        daemon.terminate()
        daemon.wait(20)


def test_containerd_takes_it_whole_and_unpacks_it(layouts: dict[str, Path], containerd: str, tmp_path: Path) -> None:
    layout = layouts["triage"]
    archive = tmp_path / "layout.tar"
    run("tar", "-C", layout, "-cf", archive, ".")
    ctr = (program("ctr", "containerd"), "--address", containerd, "--namespace", "kiln-test")
    take = (*ctr, "images", "import", "--base-name", "triage")
    snapshotter = ("--snapshotter", "overlayfs")
    if subprocess.run([*map(str, (*take, *snapshotter, archive))], capture_output=True, check=False).returncode:
        snapshotter = ("--snapshotter", "native")  # inside a container, where nothing can be laid over an overlay
        run(*take, *snapshotter, archive)
    shown = run(*ctr, "images", "check", *snapshotter)
    for dialect in ("oci", "docker"):
        tag, digest = entry_of(layout, dialect)
        [line] = [line for line in shown.splitlines() if line.startswith(f"triage:{tag} ")]
        assert digest in line
        assert "complete" in line
        assert line.rstrip().endswith("true")


def scanned(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Find packages as scanners do: Debian's from dpkg's status files, Python's from METADATA beside RECORD."""
    debian, python = {}, {}
    for status in [root / "var/lib/dpkg/status", *sorted(root.glob("var/lib/dpkg/status.d/*"))]:
        for paragraph in status.read_text().split("\n\n") if status.is_file() else []:
            fields = dict(re.findall(r"^(\S+): (.*)$", paragraph, re.MULTILINE))
            if fields.get("Status", "install ok installed") == "install ok installed" and "Package" in fields:
                assert {"Version", "Architecture"} <= fields.keys()
                debian[fields["Package"]] = fields["Version"]
    for metadata in root.rglob("*.dist-info/METADATA"):
        assert (metadata.parent / "RECORD").is_file()
        fields = dict(re.findall(r"^(Name|Version): (.*)$", metadata.read_text(), re.MULTILINE))
        python[fields["Name"].lower().replace("_", "-").replace(".", "-")] = fields["Version"]
    return debian, python


def test_scanners_see_every_debian_and_python_package(layout: Path, image: OpenedImage, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for path, entry in image.tree.items():
        if entry.content is not None and ("dpkg" in path or ".dist-info/" in path or path.endswith("os-release")):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(b"".join(entry.content.chunks()))
    debian, python = scanned(root)
    lock = json.loads("".join(chunk.decode() for chunk in image.tree["opt/model/lock/bundle.lock"].content.chunks()))
    [chosen] = lock["platforms"]
    locked = {wheel["name"]: wheel["version"] for wheel in (*chosen["wheels"], *chosen["server_wheels"])}
    assert python == locked
    assert {"libc6", "libpython3.11-minimal", "zlib1g"} <= debian.keys()
    os_release = next(root.rglob("os-release")).read_text()
    assert "ID=debian" in os_release
    assert "VERSION_ID" in os_release
    ours = contents_of(image)
    assert ours.system_packages == debian
    assert ours.python_packages | ours.server_packages == python
