"""The context a SageMaker script's functions may take as their last argument: a request as its server sees it."""

from __future__ import annotations

from typing import Any

from .raw import RawRequest


class Context:
    """One request, as the multi-model server of SageMaker's containers shows it. Indexes are always 0."""

    def __init__(self, model_dir: str, request: RawRequest, request_id: str) -> None:
        self.model_name = "model"
        self.manifest: dict[str, Any] = {"model": {"modelName": "model", "handler": ""}}
        self.model_dir = model_dir
        self.batch_size = 1
        self.mms_version = ""
        self.request_ids = {0: request_id}
        self.system_properties: dict[str, Any] = {
            "model_dir": model_dir,
            "gpu_id": None,
            "batch_size": 1,
            "server_name": "modelkiln",
            "server_version": "",
        }
        self.request_processor = [RequestProcessor(request)]
        self.metrics = None
        self.status: int | None = None
        self.content_type: str | None = None
        self.headers: list[tuple[str, str]] = []

    def get_request_id(self, idx: int = 0) -> str:
        """Return the ID of the request."""
        return self.request_ids[idx]

    def get_request_header(self, idx: int, key: str) -> str | None:
        """Return a header of the request."""
        del idx
        return self.request_processor[0].get_request_property(key)

    def get_all_request_header(self, idx: int) -> dict[str, str]:
        """Return the headers of the request."""
        del idx
        return self.request_processor[0].get_request_properties()

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Choose the content type of the answer, unless the script returns one with it."""
        del idx
        self.content_type = value

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Choose the status of the answer."""
        del idx, phrase
        self.status = int(code)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        """Choose the status of the answer."""
        self.set_response_status(code, phrase)

    def get_response_status(self, idx: int) -> tuple[int, str]:
        """Return the status chosen so far."""
        del idx
        return self.status or 200, ""

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Add a header to the answer."""
        del idx
        if key.lower() == "content-type":
            self.content_type = value
        else:
            self.headers.append((key, str(value)))

    def get_response_headers(self, idx: int) -> dict[str, str]:
        """Return the headers added so far."""
        del idx
        return dict(self.headers)


class RequestProcessor:
    """The headers of a request, under the names a server usually shows."""

    def __init__(self, request: RawRequest) -> None:
        self._properties = dict(request.environ_headers())

    def get_request_property(self, key: str) -> str | None:
        """Return a header, whatever the case of its name."""
        wanted = key.lower()
        return next((value for name, value in self._properties.items() if name.lower() == wanted), None)

    def get_request_properties(self) -> dict[str, str]:
        """Return all headers."""
        return self._properties
