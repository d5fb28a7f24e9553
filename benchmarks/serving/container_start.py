"""Time from the start of a container to its first prediction, beside a plain import and load in the same image.

    tools/engine run .venv/bin/python benchmarks/serving/container_start.py IMAGE examples/churn/samples/loyal.json

The plain run is the image's own Python with ``import score; score.load(…)`` and nothing else, from start to end of its
container. Both take turns. It needs an engine on this machine and a bundle whose script is ``score.py``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import time
from pathlib import Path

import docker

PLAIN = 'import score; score.load("/opt/model/model")'
PATHS = {"PYTHONPATH": "/opt/model/code:/opt/model/packages"}


def time_plain(client: docker.DockerClient, image: str, cores: int) -> float:
    interpreter = client.images.get(image).attrs["Config"]["Entrypoint"][0]
    container = client.containers.create(
        image, ["-c", PLAIN], entrypoint=[interpreter], environment=PATHS, nano_cpus=cores * 10**9
    )
    try:
        began = time.monotonic()
        container.start()
        code = container.wait()["StatusCode"]
        spent = time.monotonic() - began
        if code:
            sys.exit(container.logs().decode())
        return spent
    finally:
        container.remove(force=True)


def time_service(client: docker.DockerClient, image: str, cores: int, body: bytes) -> float:
    container = client.containers.create(
        image, network_mode="host", environment={"PORT": "18977"}, nano_cpus=cores * 10**9
    )
    try:
        began = time.monotonic()
        container.start()
        while time.monotonic() - began < 60:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", 18977, timeout=60)
                connection.request("POST", "/predict", body, {"content-type": "application/json"})
                if connection.getresponse().status == 200:
                    return time.monotonic() - began
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.002)
        sys.exit(container.logs().decode())
    finally:
        container.remove(force=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("request", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    client = docker.from_env()
    body = arguments.request.read_bytes()
    pairs = [
        (
            time_plain(client, arguments.image, arguments.cores),
            time_service(client, arguments.image, arguments.cores, body),
        )
        for _ in range(arguments.runs)
    ]
    plain, service = (statistics.median(each) for each in zip(*pairs, strict=True))
    print(
        json.dumps(
            {"plain": round(plain, 3), "first_prediction": round(service, 3), "ratio": round(service / plain, 3)}
        )
    )


if __name__ == "__main__":
    main()
