"""The inputs that decide what a lock says, each under a label: short ones as they are, the rest by digest."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder.bundle.model import Bundle, BundleFile
from builder.lock.model import MODEL
from builder.oci.digest import Digest

REQUIREMENT = "requirement "


def collect_inputs(
    bundle: Bundle,
    *,
    base: Digest,
    model: Iterable[BundleFile],
    server_requirements: str,
    installer: str,
) -> dict[str, str]:
    """Return what a lock of this bundle depends on, sorted by label.

    ``base`` pins the base image as it is now; ``model`` is what the model's files hold now.
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
        **_by_name(environment.requirements),
        **{f"{MODEL}{file.path}": str(file.digest) for file in model},
    }
    return dict(sorted(inputs.items()))


def _by_name(lines: Iterable[str]) -> dict[str, str]:
    texts: dict[str, set[str]] = {}
    for line in lines:
        requirement = Requirement(line)
        texts.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement))
    return {f"{REQUIREMENT}{name}": " and ".join(sorted(found)) for name, found in texts.items()}
