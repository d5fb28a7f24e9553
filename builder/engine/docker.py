"""Docker Engine, or Podman through the socket that speaks Docker's API: load an image, run it hardened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import docker
import docker.errors
import requests.exceptions
from docker.types import Ulimit

from builder.engine.archive import image_archive
from builder.engine.build import build_with_buildkit, build_with_classic, buildkit_client
from builder.engine.container import DockerInstance
from builder.engine.locate import open_engine
from builder.engine.runner import PROCESS_LIMIT, RunOptions
from builder.errors import DigestMismatchError, EngineError, HostError
from builder.oci.digest import Digest
from builder.oci.image import BlobSource, Image
from builder.oci.media_type import ManifestFormat

RUN_LABEL = "dev.modelkiln.run"
"""On every container started here, so that what a killed build left behind can be found."""


def _nothing(_: str) -> None:
    pass


class DockerEngine:
    """An engine that answered. Make one with ``connect``; close it, or use it in a ``with`` statement."""

    def __init__(self, client: docker.DockerClient, url: str) -> None:
        self._client = client
        self._api: Any = client.api
        self._url = url
        with _engine_faults("describe itself", at=url):
            version = client.version()
            self._info: dict[str, Any] = client.info()
        components = [str(part.get("Name", "")) for part in version.get("Components") or ()]
        self.is_podman = any("podman" in name.lower() for name in components)
        self._version = str(version.get("Version", "unknown version"))

    @classmethod
    def connect(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Find an engine as ``locate.open_engine`` does; none is an EngineUnavailableError."""
        return cls(*open_engine(environ))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection; containers keep running."""
        self._client.close()

    @property
    def name(self) -> str:
        """``docker`` or ``podman``, with its version."""
        return f"{'podman' if self.is_podman else 'docker'} {self._version}"

    @property
    def url(self) -> str:
        """Where it answers, in the form of ``DOCKER_HOST``."""
        return self._url

    @property
    def keeps_manifests(self) -> bool:
        """True when image IDs are digests of manifests: Docker with containerd's image store, as from 29 on."""
        status = self._info.get("DriverStatus") or ()
        return any("io.containerd.snapshotter" in str(value) for pair in status for value in pair)

    @property
    def cuts_network(self) -> bool:
        """False: the service is asked through a published port, so the container has a network."""
        return False

    @property
    def unapplied(self) -> tuple[str, ...]:
        """Hardening this engine's machine cannot apply."""
        missing = {
            "MemoryLimit": "no memory limit: the kernel has none",
            "SwapLimit": "no swap limit: a container may swap past its memory",
            "CpuCfsQuota": "no CPU limit: the kernel has none",
            "PidsLimit": "no limit on processes: the kernel has none",
        }
        return tuple(text for key, text in missing.items() if self._info.get(key) is False)

    def load(
        self, image: Image, blobs: BlobSource, *, tags: Sequence[str] = (), progress: Callable[[str], None] = _nothing
    ) -> str:
        """Bring an image in and return the ID the engine has it under, which is checked to be the image's own.

        Layers the engine has are not sent again. An engine that holds the image under any other ID is a
        DigestMismatchError; one that refuses it is an EngineError.
        """
        held = self.find(image)
        if held is None:
            present = 0 if self.keeps_manifests else self._present_layers(image)
            if present:
                progress(f"{present} of {len(image.layers)} layers are there already")
            output = self._send(image, blobs, present, progress)
            held = self.find(image)
            if held is None and present:
                output = self._send(image, blobs, 0, progress)
                held = self.find(image)
            if held is None:
                raise DigestMismatchError.of(
                    "the engine holds the image under another ID",
                    at=self.name,
                    want=str(image.image_id),
                    got=output[-1] if output else "no image",
                )
        for tag in tags:
            self.tag(held, tag)
        return held

    def find(self, image: Image) -> str | None:
        """Return the ID the engine has exactly this image under, or None when it has it not."""
        wanted = [image.image_id]
        if self.keeps_manifests:
            wanted = [image.manifest(dialect).descriptor.digest for dialect in ManifestFormat]
        for digest in wanted:
            found = self._inspect(str(digest))
            if found is not None and _layers_of(found) == [str(diff_id) for diff_id in image.config.diff_ids]:
                return _with_algorithm(str(found["Id"]))
        return None

    def tag(self, image_id: str, name: str) -> None:
        """Give an image a name; the name moves if another image had it."""
        repository, colon, tag = name.rpartition(":")
        with _engine_faults("tag the image", at=name):
            self._api.tag(image_id, repository if colon else name, tag if colon else None, force=True)

    def build(
        self,
        context: Path,
        *,
        tag: str,
        buildkit: bool | None = None,
        platform: str | None = None,
        progress: Callable[[str], None] = _nothing,
    ) -> str:
        """Build a context's Dockerfile with no network, by BuildKit or the classic builder, and return the image's ID.

        ``buildkit`` None takes BuildKit where a client on this machine can drive it. A failing step is an EngineError
        with the step and the last lines it printed.
        """
        if buildkit is None:
            buildkit = not self.is_podman and buildkit_client() is not None
        if buildkit:
            build_with_buildkit(self._url, context, tag=tag, platform=platform)
        else:
            with _engine_faults("build", at=str(context)):
                build_with_classic(self._api, context, tag=tag, platform=platform, progress=progress)
        built = self._inspect(tag)
        if built is None:
            raise EngineError.of("the engine says it built the image and does not have it", at=tag)
        return _with_algorithm(str(built["Id"]))

    def save(self, image_id: str) -> Iterator[bytes]:
        """Yield an image the engine has as an archive, in the form of `docker save`."""
        with _engine_faults("save the image", at=image_id):
            yield from self._client.api.get_image(image_id)

    def start(self, image: Image, options: RunOptions) -> DockerInstance:
        """Run exactly this image, which must have been loaded."""
        held = self.find(image)
        if held is None:
            other = self._inspect(str(image.image_id))
            if other is not None:
                raise DigestMismatchError.of(
                    "the engine holds other layers under this image's ID", at=self.name, want=str(image.image_id)
                )
            raise EngineError.of("the engine does not have this image", at=self.name, want=str(image.image_id))
        return self.start_id(held, options)

    def start_id(self, image_id: str, options: RunOptions, *, host_port: int | None = None) -> DockerInstance:
        """Run whatever the engine has under this ID or name, hardened, its service published on this host.

        ``host_port`` None lets the engine choose a free one. A port in use, a program that is not in the image, or
        any other refusal is an EngineError, and nothing is left behind.
        """
        found = self._inspect(image_id)
        if found is None:
            raise EngineError.of("the engine does not have this image", at=self.name, want=image_id)
        exposed = sorted((found.get("Config") or {}).get("ExposedPorts") or {"8080/tcp": {}})
        ports: dict[str, Any] = {exposed[0]: (self._publish_address(), host_port)}
        with _engine_faults("create the container", at=image_id):
            created = self._client.containers.create(
                image_id,
                command=list(options.command) or None,
                environment=dict(options.env),
                user=f"{options.uid}:0",
                read_only=True,
                tmpfs={"/tmp": ""},  # noqa: S108 - inside the container
                cap_drop=["ALL"],
                security_opt=["no-new-privileges:true"],
                pids_limit=PROCESS_LIMIT if self._can("PidsLimit") else None,
                ulimits=[Ulimit(name="core", soft=0, hard=0)],
                ports=ports,
                healthcheck=_probe_every(options.health_interval),
                labels={RUN_LABEL: str(Path.cwd())},
                **self._limits(options),
            )
        instance = DockerInstance(self._client, str(created.id), host=self._service_host(), port=exposed[0])
        try:
            with _engine_faults("start the container", at=image_id):
                self._api.start(str(created.id))
        except EngineError as error:
            instance.remove()
            raise _explained(error, host_port) from error
        except BaseException:
            instance.remove()
            raise
        return instance

    def _connection(self, options: RunOptions, port: str, published: tuple[str, int | None]) -> dict[str, Any]:
        return {"ports": {port: published}} if options.network else {"network_mode": "none"}

    def _limits(self, options: RunOptions) -> dict[str, Any]:
        limits: dict[str, Any] = {}
        if self._can("MemoryLimit"):
            limits["mem_limit"] = options.memory
        if self._can("SwapLimit"):
            limits["memswap_limit"] = options.memory
        if self._can("CpuCfsQuota"):
            # Docker refuses more cores than the machine has; that many is then no limit at all.
            limits["nano_cpus"] = int(min(options.cpu, float(self._info.get("NCPU") or options.cpu)) * 1e9)
        return limits

    def _can(self, feature: str) -> bool:
        return self._info.get(feature) is not False

    def _publish_address(self) -> str:
        return "127.0.0.1" if self._service_host() == "127.0.0.1" else ""

    def _service_host(self) -> str:
        parts = urlsplit(self._url)
        return parts.hostname or "127.0.0.1" if parts.scheme in ("tcp", "http", "https", "ssh") else "127.0.0.1"

    def _inspect(self, name: str) -> dict[str, Any] | None:
        with _engine_faults("inspect an image", at=name):
            try:
                found: dict[str, Any] = self._api.inspect_image(name)
            except docker.errors.NotFound:
                return None
            return found

    def _present_layers(self, image: Image) -> int:
        """Count the lowest layers that some image of the engine has, in the same order: those need not be sent."""
        wanted = [str(diff_id) for diff_id in image.config.diff_ids]
        longest = 0
        with _engine_faults("list its images", at=self.name):
            ids = {str(summary["Id"]) for summary in self._api.images()}
        for image_id in ids:
            found = self._inspect(image_id)
            held = _layers_of(found) if found else []
            common = next(
                (place for place, pair in enumerate(zip(wanted, held, strict=False)) if pair[0] != pair[1]),
                min(len(wanted), len(held)),
            )
            longest = max(longest, common)
        return longest

    def _send(self, image: Image, blobs: BlobSource, present: int, progress: Callable[[str], None]) -> list[str]:
        """Load and return the engine's words. A refusal of a partial archive is no error yet: all is sent next."""
        total = sum(layer.descriptor.size for layer in image.layers[present:])
        lines: list[str] = []
        try:
            with _engine_faults("load the image", at=self.name):
                archive = _counted(image_archive(image, blobs, present=present), total, progress)
                for event in self._api.load_image(archive):
                    if "error" in event:
                        raise EngineError.of("the engine refused the image", at=self.name, got=str(event["error"]))
                    if text := str(event.get("stream", "")).strip():
                        lines.append(text)
        except EngineError:
            if not present:
                raise
        return lines


def _probe_every(interval: float | None) -> dict[str, int] | None:
    """Change a HEALTHCHECK's interval and nothing else: the engine takes what is not given from the image."""
    return None if interval is None else {"interval": int(interval * 1e9)}


def _counted(chunks: Iterator[bytes], total: int, progress: Callable[[str], None]) -> Iterator[bytes]:
    sent = 0
    for chunk in chunks:
        sent += len(chunk)
        progress(f"{sent / 1e6:.0f} of {total / 1e6:.0f} MB sent to the engine")
        yield chunk


def _layers_of(found: Mapping[str, Any]) -> list[str]:
    return [str(diff_id) for diff_id in (found.get("RootFS") or {}).get("Layers") or ()]


def _with_algorithm(text: str) -> str:
    """Podman leaves the algorithm out of image IDs."""
    return text if ":" in text else str(Digest(text))


def _explained(error: EngineError, host_port: int | None) -> EngineError:
    got = error.faults[0].got or ""
    if "port is already allocated" in got or "address already in use" in got:
        return EngineError.of(
            f"port {host_port} is taken", got=got, hint="choose another port, or stop what listens on this one"
        )
    if "exec format error" in got:
        return EngineError.of("the image is for another architecture than this engine's machine", got=got)
    return error


@contextmanager
def _engine_faults(action: str, *, at: str) -> Iterator[None]:
    """Turn the engine's refusals, and a connection that breaks, into EngineErrors with the engine's own words."""
    try:
        yield
    except docker.errors.APIError as error:
        words = str(error.explanation or error)
        hint = "free some space on the engine's disk" if "no space left" in words else None
        raise EngineError.of(f"the engine could not {action}", at=at, got=words, hint=hint) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, HostError):
            raise cause from error
        raise EngineError.of(f"the engine broke off while asked to {action}", at=at, got=str(error)) from error
