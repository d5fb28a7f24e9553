"""Docker Engine, or Podman through the socket that speaks Docker's API: load an image, run it hardened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import docker
import docker.errors
import requests.exceptions
from docker.types import Ulimit

from builder.engine.build import build_with_buildkit, build_with_classic, buildkit_client
from builder.engine.container import DockerInstance
from builder.engine.loading import ImageLoader, with_algorithm
from builder.engine.locate import open_engine
from builder.engine.runner import PROCESS_LIMIT, RunOptions
from builder.errors import DigestMismatchError, EngineError, HostError
from builder.oci.image import BlobSource, Image

RUN_LABEL = "dev.modelkiln.run"
"""On every container started here, so that what a killed build left behind can be found."""


def _nothing(_: str) -> None:
    pass


class _Images:
    """The calls about images, by Docker's client."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def inspect_image(self, name: str) -> dict[str, Any] | None:
        with _engine_faults("inspect an image", at=name):
            try:
                found: dict[str, Any] = self._api.inspect_image(name)
            except docker.errors.NotFound:
                return None
            return found

    def image_ids(self) -> set[str]:
        with _engine_faults("list its images", at="engine"):
            return {str(summary["Id"]) for summary in self._api.images()}

    def load_image(self, chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        with _engine_faults("load the image", at="engine"):
            yield from self._api.load_image(chunks)

    def tag(self, image_id: str, repository: str, tag: str | None) -> None:
        with _engine_faults("tag the image", at=f"{repository}:{tag}" if tag else repository):
            self._api.tag(image_id, repository, tag, force=True)


class DockerEngine:
    """An engine that answered. Make one with ``connect``; close it, or use it in a ``with`` statement."""

    def __init__(self, client: docker.DockerClient, url: str) -> None:
        self._client = client
        self._api: Any = client.api
        self._url = url
        with _engine_faults("describe itself", at=url):
            version = client.version()
            self._info: dict[str, Any] = client.info()
        self._images = _Images(self._api)
        self._loader = ImageLoader(self._images, version, self._info)

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
        return self._loader.name

    @property
    def url(self) -> str:
        """Where it answers, in the form of ``DOCKER_HOST``."""
        return self._url

    @property
    def keeps_manifests(self) -> bool:
        """True when image IDs are digests of manifests: Docker with containerd's image store, as from 29 on."""
        return self._loader.keeps_manifests

    @property
    def is_podman(self) -> bool:
        """True when this is Podman."""
        return self._loader.is_podman

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
        self,
        image: Image,
        blobs: BlobSource,
        *,
        tags: Sequence[str] = (),
        like: Sequence[str] = (),
        progress: Callable[[str], None] = _nothing,
    ) -> str:
        """Bring an image in, as ``ImageLoader.load`` says; without ``like``, the image of its first tag is taken."""
        return self._loader.load(image, blobs, tags=tags, like=like or tags[:1], progress=progress)

    def find(self, image: Image) -> str | None:
        """Return the ID the engine has exactly this image under, or None when it has it not."""
        return self._loader.find(image)

    def tag(self, image_id: str, name: str) -> None:
        """Give an image a name; the name moves if another image had it."""
        self._loader.tag(image_id, name)

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
        built = self._images.inspect_image(tag)
        if built is None:
            raise EngineError.of("the engine says it built the image and does not have it", at=tag)
        return with_algorithm(str(built["Id"]))

    def save(self, image_id: str) -> Iterator[bytes]:
        """Yield an image the engine has as an archive, in the form of `docker save`."""
        with _engine_faults("save the image", at=image_id):
            yield from self._client.api.get_image(image_id)

    def start(self, image: Image, options: RunOptions) -> DockerInstance:
        """Run exactly this image, which must have been loaded."""
        held = self.find(image)
        if held is None:
            other = self._images.inspect_image(str(image.image_id))
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
        found = self._images.inspect_image(image_id)
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


def _probe_every(interval: float | None) -> dict[str, int] | None:
    """Change a HEALTHCHECK's interval and nothing else: the engine takes what is not given from the image."""
    return None if interval is None else {"interval": int(interval * 1e9)}


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
