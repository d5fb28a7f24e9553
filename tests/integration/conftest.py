from tests.support.clients import client, client_image, served
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
from tests.support.kiln import churn, engine_kiln, kiln, kiln_home

__all__ = [
    "churn",
    "client",
    "client_image",
    "docker_compose_command",
    "docker_compose_file",
    "docker_host",
    "docker_setup",
    "engine",
    "engine_kiln",
    "image_store",
    "kiln",
    "kiln_home",
    "registry",
    "sdk",
    "served",
]
