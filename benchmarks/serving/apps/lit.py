"""LitServe: ``python lit.py PORT BATCH``; a batch of 1 is what it comes with."""

from __future__ import annotations

import sys
from typing import Any

import litserve
import numpy as np
from features import NAMES, load_model


class Plain(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - litserve's signature
        self.model = load_model()

    def decode_request(self, request: dict[str, float]) -> Any:
        return np.array([request[name] for name in NAMES])

    def predict(self, row: Any) -> Any:
        return self.model.predict(row.reshape(1, -1))

    def encode_response(self, predictions: Any) -> dict[str, Any]:
        return {"predictions": predictions.tolist()}


class Batching(Plain):
    def predict(self, rows: Any) -> Any:
        return self.model.predict(rows)

    def encode_response(self, prediction: Any) -> dict[str, Any]:
        return {"predictions": [int(prediction)]}


if __name__ == "__main__":
    port, size = int(sys.argv[1]), int(sys.argv[2])
    api = Plain() if size == 1 else Batching(max_batch_size=size, batch_timeout=0.002)
    litserve.LitServer(api, accelerator="cpu").run(
        host="127.0.0.1", port=port, generate_client_file=False, log_level="info"
    )
