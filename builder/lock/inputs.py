"""The inputs that decide what a lock says, each under a label: short ones as they are, the rest by digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder.bundle.model import Bundle, BundleFile
from builder.lock.requirements import Wanted
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest

REQUIREMENT = "requirement "
CONSTRAINT = "constraint "
MODEL = "model "


def collect_inputs(
    bundle: Bundle,
    *,
    wanted: Wanted,
    base: Digest,
    model: Iterable[BundleFile],
    server_requirements: str,
    installer: str,
) -> dict[str, str]:
    """Return what a lock of this bundle depends on, sorted by label.

    ``base`` pins the base image as it is now; ``model`` is what the model's files hold now. Index options of the
    requirements may carry credentials, so only their digest is kept.
    """
    environment = bundle.environment
    inputs = {
        "environment.base": environment.base,
        "environment.platforms": ", ".join(str(platform) for platform in environment.platforms),
        "environment.python": environment.python,
        "environment.system_packages": ", ".join(sorted(environment.system_packages)),
        "base": str(base),
        "server": str(Digest.of(server_requirements.encode())),
        "installer": str(Digest.of(installer.encode())),
        **_by_name(REQUIREMENT, wanted.requirements),
        **_by_name(CONSTRAINT, wanted.constraints),
        **{f"{MODEL}{file.path}": str(file.digest) for file in model},
    }
    if wanted.options:
        inputs["requirement options"] = str(Digest.of("\n".join(_portable(wanted.options)).encode()))
    if wanted.hashes:
        hashes = {name: sorted(map(str, digests)) for name, digests in wanted.hashes.items()}
        inputs["requirement hashes"] = str(Digest.of(canonical_json(hashes)))
    return dict(sorted(inputs.items()))


def deep_checksum(inputs: Mapping[str, str]) -> Digest:
    """Return the digest of all inputs together."""
    return Digest.of(canonical_json(dict(inputs)))


def _by_name(prefix: str, requirements: Iterable[Requirement]) -> dict[str, str]:
    texts: dict[str, set[str]] = {}
    for requirement in requirements:
        texts.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement))
    return {f"{prefix}{name}": " and ".join(sorted(lines)) for name, lines in texts.items()}


def _portable(options: Iterable[str]) -> Iterable[str]:
    """Local folders were made absolute; their last part is what stays the same on another machine."""
    for option in options:
        name, _, value = option.partition(" ")
        yield option if "://" in value or not value.startswith("/") else f"{name} {value.rsplit('/', 1)[-1]}"
