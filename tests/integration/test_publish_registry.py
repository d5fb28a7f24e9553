"""Push and pull against a real registry (docker-registry)."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import BaseImageError, PublishRefusedError, RegistryAuthError, RegistryError
from builder.oci.digest import Digest
from builder.oci.image import Image
from builder.oci.media_type import ManifestFormat, MediaType
from builder.oci.reference import Reference
from builder.publish.body import Body
from builder.publish.credentials import Credentials
from builder.publish.patience import Patience
from builder.publish.pull import pull_image, resolve
from builder.publish.push import push_image, push_index
from builder.publish.tokens import repository_scope
from builder.publish.transport import Access, Transport
from builder.publish.upload import BlobUpload, Outcome, Payload
from builder.store.blobs import BlobStore
from tests.support.certificates import Authority
from tests.support.docker_registry import DockerRegistry, docker_registry
from tests.support.synthetic import AMD64, ARM64, image_of, layer_of, noise, synthetic_image

pytestmark = pytest.mark.registry

HTPASSWD = "alice:$2b$04$0MK2DEqfCSwR7PuRnRKJjOCypVgvDh3/Fye85ELhAhTm5JJUq3P6i"
"""bcrypt of ``s3cret-word``, as ``htpasswd -B`` writes it."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


@pytest.fixture
def access(tmp_path: Path) -> Access:
    """Reach registries without this machine's configuration."""
    return Access(
        environ={"HOME": str(tmp_path)},
        credentials=lambda _: None,
        certificates=tmp_path / "certs.d",
        patience=Patience(attempts=2, first=0.01),
    )


@pytest.fixture
def name(registry: DockerRegistry, request: pytest.FixtureRequest) -> Reference:
    """A repository of this test's own."""
    repository = f"models/{Digest.of(request.node.nodeid.encode()).short}"
    return Reference(registry=registry.host, repository=repository, tag="1.0.0")


def served(registry: DockerRegistry, path: str) -> tuple[bytes, str]:
    """Fetch as a stranger would."""
    accept = ", ".join(kind for kind in MediaType if kind.is_manifest or kind.is_index)
    asked = urllib.request.Request(f"http://{registry.host}{path}", headers={"Accept": accept})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return answer.read(), answer.headers["Content-Type"]


@pytest.mark.parametrize("manifest_format", list(ManifestFormat))
def test_what_is_pulled_back_is_what_was_built(
    registry: DockerRegistry,
    name: Reference,
    store: BlobStore,
    access: Access,
    tmp_path: Path,
    manifest_format: ManifestFormat,
) -> None:
    image = image_of(
        [
            layer_of(store, "deps", noise("deps", 300_000)),
            layer_of(store, "weights", noise("weights", 2_000_000), MediaType.OCI_LAYER_TAR),
            layer_of(store, "empty", b""),
        ]
    )
    result = push_image(image, store, name, manifest_format=manifest_format, access=access)
    ours = image.manifest(manifest_format)
    for tag in result.tags:
        assert served(registry, f"/v2/{name.repository}/manifests/{tag}") == (ours.encode(), str(ours.media_type))
    other = BlobStore(tmp_path / "other")
    pulled = pull_image(result.reference, AMD64, other, access=access)
    assert pulled.manifest_digest == result.manifest_digest == ours.descriptor.digest
    assert pulled.config_digest == image.image_id
    assert tuple(layer.diff_id for layer in pulled.layers) == image.config.diff_ids
    for layer in image.layers:
        assert other.read(layer.descriptor.digest) == store.read(layer.descriptor.digest)


def test_pushing_again_changes_nothing(name: Reference, store: BlobStore, access: Access) -> None:
    image = synthetic_image(store)
    first = push_image(image, store, name, access=access)
    second = push_image(image, store, name, access=access)
    assert second.was_there
    assert second.reference == first.reference
    assert second.size(Outcome.UPLOADED) == 0


def test_layers_of_other_models_are_mounted(name: Reference, store: BlobStore, access: Access) -> None:
    push_image(synthetic_image(store, "shared", "churn"), store, name, access=access)
    other = replace(name, repository=f"{name.repository}/other")
    result = push_image(synthetic_image(store, "shared", "fraud"), store, other, access=access)
    outcomes = {blob.title: blob.outcome for blob in result.blobs}
    assert outcomes["shared.bin"] is Outcome.MOUNTED
    assert outcomes["fraud.bin"] is Outcome.UPLOADED


def test_a_mount_from_where_the_blob_is_not_sends_it(name: Reference, store: BlobStore, access: Access) -> None:
    result = push_image(
        synthetic_image(store), store, name, mount_from=["models/nowhere", "models/nothing"], access=access
    )
    assert {blob.outcome for blob in result.blobs} == {Outcome.UPLOADED}


def test_a_version_moves_only_when_told_to(
    registry: DockerRegistry, name: Reference, store: BlobStore, access: Access
) -> None:
    first, second = synthetic_image(store, "a"), synthetic_image(store, "b")
    push_image(first, store, name, access=access)
    with pytest.raises(PublishRefusedError, match="already names other content"):
        push_image(second, store, name, access=access)
    path = f"/v2/{name.repository}/manifests/1.0.0"
    assert served(registry, path)[0] == first.manifest(ManifestFormat.DOCKER).encode()
    push_image(second, store, name, access=access, move_tag=True)
    assert served(registry, path)[0] == second.manifest(ManifestFormat.DOCKER).encode()


@pytest.mark.parametrize("manifest_format", list(ManifestFormat))
def test_an_index_of_two_platforms(
    name: Reference, store: BlobStore, access: Access, tmp_path: Path, manifest_format: ManifestFormat
) -> None:
    images = {AMD64: synthetic_image(store, "x"), ARM64: synthetic_image(store, "y", platform=ARM64)}
    result = push_index(list(images.values()), store, name, manifest_format=manifest_format, access=access)
    for platform, image in images.items():
        pulled = pull_image(result.reference, platform, BlobStore(tmp_path / str(platform)), access=access)
        assert pulled.config_digest == image.image_id
        assert resolve(name, platform, access=access).digest == result.manifest_digest


def test_an_upload_goes_on_from_what_the_registry_kept(name: Reference, store: BlobStore, access: Access) -> None:
    image = synthetic_image(store, "weights", size=8_000_000)
    blob = image.layers[0].descriptor
    content = store.read(blob.digest)
    payload = Payload(descriptor=blob, title="weights", chunks=lambda offset: store.chunks(blob.digest, offset=offset))
    scopes = (repository_scope(name.repository, "pull", "push"),)
    assert name.registry is not None
    with Transport(name.registry, access) as transport:
        begun = transport.request("POST", f"/v2/{name.repository}/blobs/uploads/", scopes=scopes, accept=(202,))
        part = transport.request(
            "PATCH", begun.location or "", scopes=scopes, accept=(202,), body=Body.of(content[: 3 << 20])
        )
        upload = BlobUpload(transport, name.repository, payload)
        session, offset = upload._recover(part.location or "")
        assert offset == 3 << 20
        assert session is not None
        upload._put(upload._patch(session, offset), blob.size)
        assert upload.run() == (Outcome.PRESENT, None)


def test_an_upload_whose_connection_breaks_is_completed(name: Reference, store: BlobStore, access: Access) -> None:
    """This registry signs how far an upload is and so cannot go on within a request; all of it is sent again."""
    image = synthetic_image(store, "weights", size=8_000_000)
    blob = image.layers[0].descriptor
    offsets: list[int] = []

    def chunks(offset: int) -> Iterator[bytes]:
        offsets.append(offset)
        for number, chunk in enumerate(store.chunks(blob.digest, offset=offset)):
            if len(offsets) == 1 and number == 3:
                raise ConnectionResetError
            yield chunk

    assert name.registry is not None
    with Transport(name.registry, access) as transport:
        payload = Payload(descriptor=blob, title="weights", chunks=chunks)
        assert BlobUpload(transport, name.repository, payload).run() == (Outcome.UPLOADED, None)
        answer = transport.request(
            "GET",
            f"/v2/{name.repository}/blobs/{blob.digest}",
            scopes=(repository_scope(name.repository, "pull"),),
            accept=(200,),
        )
    assert answer.body == store.read(blob.digest)
    assert offsets == [0, 0]


def test_a_damaged_blob_in_the_registry_is_not_taken(
    registry: DockerRegistry, name: Reference, store: BlobStore, access: Access, tmp_path: Path
) -> None:
    image = synthetic_image(store, f"only in {name.repository}")
    result = push_image(image, store, name, access=access)
    digest = image.layers[0].descriptor.digest
    data = registry.storage / "docker/registry/v2/blobs/sha256" / digest.hex[:2] / digest.hex / "data"
    content = data.read_bytes()
    data.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    other = BlobStore(tmp_path / "other")
    with pytest.raises(Exception, match="does not have the bytes"):
        pull_image(result.reference, AMD64, other, access=access)
    assert not other.has(digest)


def test_an_unknown_digest_is_an_error(name: Reference, store: BlobStore, access: Access) -> None:
    with pytest.raises(BaseImageError, match="base digest unknown"):
        pull_image(replace(name, tag=None, digest=Digest.of(b"none")), AMD64, store, access=access)


def test_a_manifest_whose_blobs_are_missing_is_refused_in_the_registrys_words(
    name: Reference, store: BlobStore, access: Access
) -> None:
    manifest = synthetic_image(store, "never sent").manifest(ManifestFormat.OCI)
    assert name.registry is not None
    with pytest.raises(RegistryError, match="MANIFEST_BLOB_UNKNOWN"), Transport(name.registry, access) as transport:
        transport.request(
            "PUT",
            f"/v2/{name.repository}/manifests/1",
            scopes=(),
            accept=(201,),
            body=Body.of(manifest.encode(), manifest.media_type),
        )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "htpasswd").write_text(f"{HTPASSWD}\n")
    auth = f"auth:\n  htpasswd: {{realm: tests, path: {folder / 'htpasswd'}}}\n"
    with docker_registry(folder, auth=auth) as running:
        yield running


def push_guarded(guarded: DockerRegistry, store: BlobStore, access: Access) -> Image:
    image = synthetic_image(store)
    name = Reference(registry=guarded.host, repository="models/churn", tag="1.0.0")
    result = push_image(image, store, name, access=access)
    assert result.manifest_digest == image.manifest(ManifestFormat.DOCKER).descriptor.digest
    return image


def test_logs_in_with_dockers_configuration(
    guarded: DockerRegistry, store: BlobStore, access: Access, tmp_path: Path
) -> None:
    secret = base64.b64encode(b"alice:s3cret-word").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {guarded.host: {"auth": secret}}}))
    known = replace(access, credentials=None, environ={"DOCKER_CONFIG": str(tmp_path)})
    image = push_guarded(guarded, store, known)
    reference = Reference(registry=guarded.host, repository="models/churn", tag="1.0.0")
    found = resolve(reference, AMD64, access=known)
    pulled = pull_image(found.reference, AMD64, BlobStore(tmp_path / "other"), access=known)
    assert pulled.config_digest == image.image_id


def test_without_credentials_the_error_says_what_to_do(
    guarded: DockerRegistry, store: BlobStore, access: Access
) -> None:
    with pytest.raises(RegistryAuthError, match="wants credentials") as caught:
        push_guarded(guarded, store, access)
    assert f"docker login {guarded.host}" in (caught.value.hint or "")


def test_wrong_credentials_are_refused(guarded: DockerRegistry, store: BlobStore, access: Access) -> None:
    wrong = replace(access, credentials=lambda _: Credentials(username="alice", password="wrong-word"))
    with pytest.raises(RegistryAuthError, match="refuses the credentials") as caught:
        push_guarded(guarded, store, wrong)
    assert "wrong-word" not in caught.value.render()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def encrypted(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    certificate, key = authority.issue("registry")
    tls = f"  tls: {{certificate: {certificate}, key: {key}}}\n"
    with docker_registry(tmp_path_factory.mktemp("encrypted"), tls=tls) as running:
        yield running


def test_an_unknown_authority_is_not_trusted_even_on_loopback(
    encrypted: DockerRegistry, store: BlobStore, access: Access
) -> None:
    with pytest.raises(RegistryError, match="certificate is not trusted") as caught:
        push_guarded(encrypted, store, replace(access, insecure=True))
    assert "--ca" in (caught.value.hint or "")


@pytest.mark.parametrize("how", ["option", "environment", "docker"])
def test_an_authority_may_be_named_in_every_usual_way(
    encrypted: DockerRegistry, authority: Authority, store: BlobStore, access: Access, tmp_path: Path, how: str
) -> None:
    if how == "option":
        access = replace(access, ca_file=authority.certificate)
    elif how == "environment":
        access = replace(access, environ={"SSL_CERT_FILE": str(authority.certificate)})
    else:
        folder = tmp_path / "certs.d" / encrypted.host
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
    push_guarded(encrypted, store, access)


def test_a_certificate_for_another_host_is_not_trusted(
    authority: Authority, store: BlobStore, access: Access, tmp_path: Path
) -> None:
    certificate, key = authority.issue("elsewhere", alternative="DNS:elsewhere.example")
    tls = f"  tls: {{certificate: {certificate}, key: {key}}}\n"
    with docker_registry(tmp_path / "registry", tls=tls) as running, pytest.raises(RegistryError, match="not trusted"):
        push_guarded(running, store, replace(access, ca_file=authority.certificate))


def test_a_registry_that_stopped_is_an_error(store: BlobStore, access: Access, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "registry") as running:
        push_guarded(running, store, access)
    with pytest.raises(RegistryError, match="Connection refused"):
        push_guarded(running, store, access)
