from tests.support.engine import (
    docker_compose_command,
    docker_compose_file,
    docker_host,
    docker_setup,
    engine,
    image_store,
    registry,
    sdk,
)

__all__ = [
    "docker_compose_command",
    "docker_compose_file",
    "docker_host",
    "docker_setup",
    "engine",
    "image_store",
    "registry",
    "sdk",
]
