"""What a bundle says of itself, for a person to read. Values of any shape are shown; none is trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ...bundle import Bundle
from .markup import Markup, element, join

CONTRACTS = {
    "predict": "a script with load and predict",
    "azure": "a script with init and run, as Azure ML calls it",
    "sagemaker": "a script with model_fn and its like, as SageMaker calls it",
    "none": "the model as it is, without a script",
}
FRAMEWORKS = {
    "sklearn": "scikit-learn",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
    "onnx": "ONNX",
    "torch": "PyTorch",
    "mlflow": "MLflow",
}
SHORT_HASH = 16


def show(value: Any) -> str:
    """Return a value of bundle.json as text."""
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.6g}"
        case _:
            return json.dumps(value, ensure_ascii=False)


def show_size(size: float) -> str:
    """Return a size in bytes with a unit."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return ""


def show_seconds(value: Any) -> str:
    """Return a duration."""
    return f"{value:g} s" if isinstance(value, int | float) else show(value)


def read(value: Any) -> Mapping[str, Any]:
    """Return a part of bundle.json that should be an object, empty when it is none."""
    return value if isinstance(value, Mapping) else {}


def rows(pairs: Mapping[str, object]) -> Markup | None:
    """Return a list of terms, or nothing when no term has a value."""
    kept = {name: value for name, value in pairs.items() if value not in (None, "", {}, [])}
    if not kept:
        return None
    return element("dl", *(join((element("dt", name), element("dd", value))) for name, value in kept.items()))


def card(title: str, *children: Markup | None) -> Markup | None:
    """Return a card, or nothing when there is nothing in it."""
    kept = [child for child in children if child is not None]
    return element("div", element("h3", title), *kept, class_="card") if kept else None


def hash_of(text: object) -> Markup | None:
    """Return a digest, whole."""
    return element("span", str(text), class_="hash") if text else None


def make_byline(bundle: Bundle) -> Markup | None:
    """Return who answers for the model and what it is, in a line."""
    document = bundle.document
    framework = FRAMEWORKS.get(bundle.framework, bundle.framework)
    pairs = {
        "Owner": document.get("owner"),
        "Framework": framework if framework != "custom" else None,
        "Served as": CONTRACTS.get(bundle.contract, bundle.contract),
    }
    kept = {name: value for name, value in pairs.items() if value}
    parts = [element("div", element("dt", name), element("dd", value)) for name, value in kept.items()]
    return element("dl", *parts, class_="byline") if parts else None


def make_metrics(bundle: Bundle) -> Markup | None:
    """Return what the model achieved, in large figures."""
    metrics = read(read(bundle.document.get("model")).get("metrics"))
    if not metrics:
        return None
    figures = [element("div", element("dt", name), element("dd", show(value))) for name, value in metrics.items()]
    return card("Metrics", element("dl", *figures, class_="figures"))


def make_data(bundle: Bundle) -> Markup | None:
    """Return what the model was trained and validated with."""
    model = read(bundle.document.get("model"))
    parts: list[Markup | None] = []
    for title, key in (("Training", "training_data"), ("Validation", "validation_data")):
        data = read(model.get(key))
        count = data.get("rows")
        told = {f"{title} data": data.get("uri"), "Rows": count and show(count), "SHA-256": hash_of(data.get("sha256"))}
        parts.append(rows(told))
    code = read(model.get("training_code"))
    parts.append(rows({"Training code": code.get("repository"), "Revision": code.get("revision")}))
    return card("Data", *parts)


def make_model(bundle: Bundle, image: str | None) -> Markup | None:
    """Return the model's file, parameters and image."""
    model = read(bundle.document.get("model"))
    files = [read(file) for file in model.get("files") or ()]
    size = sum(file.get("size") or 0 for file in files)
    told = {
        "File": model.get("basename"),
        "Size": show_size(size) if files else None,
        "SHA-256": hash_of(files[0].get("sha256")) if len(files) == 1 else None,
        "Image": hash_of(image),
    }
    parameters = {name: show(value) for name, value in read(model.get("hyperparameters")).items()}
    return card("Model", rows(told), titled("Hyperparameters", rows(parameters)))


def titled(title: str, body: Markup | None) -> Markup | None:
    """Return something that opens on demand, or nothing when there is nothing."""
    return element("details", element("summary", title), body) if body is not None else None


def make_environment(bundle: Bundle) -> Markup | None:
    """Return Python, base and packages; never the variables, which may hold secrets."""
    environment = read(bundle.document.get("environment"))
    base = read(environment.get("base"))
    told = {"Python": environment.get("python"), "Platform": environment.get("platform"), "Base": base.get("name")}
    parts = [rows(told)]
    for title, key in (("Python package", "requirements"), ("system package", "system_packages")):
        names = [str(each) for each in environment.get(key) or ()]
        if names:
            listed = element("ul", *(element("li", name) for name in names), class_="packages")
            parts.append(titled(f"{len(names)} {title}{'' if len(names) == 1 else 's'}", listed))
    return card("Environment", *parts)


def make_service(bundle: Bundle) -> Markup | None:
    """Return the limits a caller may meet."""
    service = bundle.service
    told = {
        "Answers within": show_seconds(service.request_timeout),
        "Largest body": show_size(service.max_body),
        "Requests waiting": f"{service.max_queue:,} at most",
        "Scored together": f"up to {service.batching.max_size:,} records" if service.batching.enabled else None,
    }
    release = read(bundle.document.get("release"))
    return card(
        "Service",
        rows(told),
        rows({"Repository": release.get("repository"), "Version before": release.get("rollback")}),
    )


def make_facts(bundle: Bundle, image: str | None) -> Markup:
    """Return all cards."""
    makers: list[Callable[[Bundle], Markup | None]] = [make_metrics, make_data]
    return join(
        (*(make(bundle) for make in makers), make_model(bundle, image), make_environment(bundle), make_service(bundle))
    )
