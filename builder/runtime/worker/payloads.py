"""What a request brought, in the form that the loaded scorer takes: rows are made records again where it has to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..bundle import Bundle
from .batch_scorer import BatchScorer
from .features import read_features

Requests = Sequence[tuple[str, Any]]


class Payloads:
    """Opens the payloads of one scorer. ``columns`` are those of the rows it may be sent, none when it takes none."""

    def __init__(self, scorer: object, bundle: Bundle) -> None:
        self.columns: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()
        if not isinstance(scorer, BatchScorer) or bundle.schema_scope != "record":
            return
        self.columns = scorer.columns
        if not self.columns:
            features = read_features(bundle.request_schema, bundle.schema_scope)
            self.columns = self._names = tuple(feature.name for feature in features)

    def open(self, requests: Requests) -> Requests:
        """Return the requests with payloads as the scorer takes them."""
        if not self._names:
            return requests
        return [(request_id, self.open_one(payload)) for request_id, payload in requests]

    def open_one(self, payload: Any) -> Any:
        """Return one payload as the scorer takes it."""
        if not self._names or type(payload) is not tuple:
            return payload
        return [dict(zip(self._names, row, strict=True)) for row in payload]
