"""What a resolver's refusal means: which package, who asked for it, and what to do.

Both resolvers' refusals end here. uv's account of why nothing fits is complete and regular, so it is the one that
is read; when it cannot be read either, it is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name
from packaging.version import VERSION_PATTERN, InvalidVersion, Version

from builder.bundle.misnamed import MISNAMED
from builder.errors import Fault, FetchError, KilnError, ResolutionError, StoreError
from builder.lock.pins import AUTHOR
from builder.lock.redaction import redact
from builder.lock.target import Target

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_SPEC = r"(?:\[[^\]]*\])?(?:\{[^}]*\})?(?:[<>=!~]=?=?[^\s,]+(?:,\s*[<>=!~]=?=?[^\s,]+)*)?"
_PACKAGE = rf"(?P<name>{_NAME})(?P<spec>{_SPEC})"
_BOUND = re.compile(rf"([<>=!~]=?)({VERSION_PATTERN})", re.VERBOSE | re.IGNORECASE)
_EDGE = re.compile(
    rf"(?:all versions of )?(?P<parent>{_NAME}){_SPEC} (?:was included|depends? on) (?P<child>{_NAME})"
    rf"(?P<spec>{_SPEC})(?=[\s,.]|$)"
)
_SENTENCE = re.compile(r"(?<=\.)\s+(?=And because |Because |hint:)")
_HINT = re.compile(r"^\s*hint:", re.MULTILINE)
"""uv's own hints come last, and speak of its options."""
_Edge = tuple[str, str, str]
_NETWORK = re.compile(
    r"Failed to fetch|error sending request|dns error|tcp connect error|NewConnectionError|ConnectTimeoutError|"
    r"Max retries exceeded|Failed to establish a new connection|Temporary failure in name resolution|ProxyError|"
    r"SSLError|certificate verify failed|invalid peer certificate|ReadTimeoutError|Connection refused|"
    r"Network connectivity is disabled|Request failed after|RemoteDisconnected|Name or service not known"
)
_REFUSED = re.compile(
    r"\b(?:401|403|407) (?:Client Error|Error|Unauthorized|Forbidden|Proxy)|[Cc]redentials not correct|"
    r"lack of valid authentication|User for .* not provided"
)
_HOST = re.compile(r"host='(?P<host>[^']+)', port=(?P<port>\d+)|https?://(?:[^/@\s]*@)?(?P<netloc>[^/\s'\"`)]+)")
_CAUSE = re.compile(
    r"\[Errno -?\d+\] (?P<errno>[^\"'()\\]+)|"
    r"(?P<tls>(?:certificate verify failed|invalid peer certificate)[^\"'()]*)|"
    r"(?P<other>Read timed out|Cannot connect to proxy|Remote end closed connection|Network connectivity is disabled)|"
    r"cause: (?P<cause>[^()]+)(?: \(os error \d+\))?$"
)
_FEW = 5
_VERSIONS = re.compile(rf"requirement (?P<name>{_NAME})[^\n]*? \(from versions: (?P<versions>[^)\n]+)\)")
_DIRECT = re.compile(rf"^(?P<child>{_NAME}).* by {AUTHOR}(?: → (?P<parent>{_NAME}))?", re.MULTILINE)
_FULL = re.compile(r"No space left on device|Disk quota exceeded")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reason:
    pattern: re.Pattern[str]
    fact: Callable[[str, str, Target], str]
    want: Callable[[str, str, Target], str]
    hint: Callable[[str, str], str]


_REQUIRED = f"required by {AUTHOR} → "

_REASONS = (
    _Reason(
        pattern=re.compile(rf"{_PACKAGE} (?:has|have) no usable wheels"),
        fact=lambda name, spec, _: f"{_label(name, spec)} can only be had as source, and images are made of wheels",
        want=lambda name, _, target: f"a wheel of {name} for {target}",
        hint=lambda name, via: (
            f"require a version of {name} that has wheels, or replace {via or name}; or build the wheel once "
            f"(pip wheel {name}) and name its folder in pip's settings (pip config set global.find-links <folder>)"
        ),
    ),
    _Reason(
        pattern=re.compile(rf"{_PACKAGE} (?:has|have) no wheels with a matching"),
        fact=lambda name, spec, target: f"{_label(name, spec)} has no wheel for {target}",
        want=lambda _, __, target: (
            f"a wheel tagged {target.abi} or py3, for glibc {target.glibc[0]}.{target.glibc[1]} or older, or any"
        ),
        hint=lambda name, via: (
            f"require a version of {name} that has such a wheel, replace {via or name}, or change "
            f"environment.python, environment.platforms or environment.base in bundle.yaml"
        ),
    ),
    _Reason(
        pattern=re.compile(
            rf"the requested Python version \([^)]*\) does not satisfy Python(?P<python>\S+) and "
            rf"(?:all versions of )?{_PACKAGE} depends? on Python"
        ),
        fact=lambda name, spec, target: f"{_label(name, spec)} does not run on Python {target.python}",
        want=lambda name, _, target: f"a version of {name} that runs on Python {target.python}",
        hint=lambda name, _: (
            f"require an older {name} that still runs there, or change environment.python in bundle.yaml"
        ),
    ),
    _Reason(
        pattern=re.compile(rf"{_PACKAGE} was not found in (?:the package registry|the provided package locations)"),
        fact=lambda name, _, __: f"no package named {name} on the configured index",
        want=lambda name, _, __: f"a package named {name}",
        hint=lambda name, _: (
            f"mend the spelling of {name}; if it is private, add its index to pip's settings "
            "(pip config set global.extra-index-url …)"
        ),
    ),
    _Reason(
        pattern=re.compile(rf"there (?:is no version|are no versions) of {_PACKAGE}"),
        fact=lambda name, spec, _: f"no version of {name} satisfies {spec or 'the requirement'}",
        want=lambda name, spec, _: f"{name}{spec}",
        hint=lambda name, _: f"require a version of {name} that exists on the configured index",
    ),
)


def explain_refusal(text: str, target: Target) -> KilnError:
    """Return the error that a resolver's output amounts to: nothing fits, or the index could not be asked."""
    shown = redact(trim(text))
    if trouble := explain_trouble(shown):
        return trouble
    shown = _HINT.split(shown, maxsplit=1)[0].rstrip()
    flat = " ".join(shown.split())
    edges, direct = _graph(flat)
    contested = _contested(edges, direct)
    refused = _nearest_reason(flat)
    name = canonicalize_name(refused[1]["name"]) if refused else ""
    # Versions that can be had are out for what they depend on: that the others cannot be had is not why.
    if refused and not any(parent == name and child in contested for parent, child, _ in edges):
        reason, match = refused
        demanded = direct.get(name) or next((spec for _, child, spec in edges if child == name), "")
        spec = match["spec"].strip(".,")
        if demanded and not spec.startswith("=="):
            spec = demanded
        chain = _chain(name, edges, direct)
        via = chain[1].split()[0] if len(chain) > 2 else ""
        python = match.groupdict().get("python")
        return ResolutionError.of(
            reason.fact(name, spec, target),
            at="required by " + " → ".join(chain),
            want=reason.want(name, spec, target),
            got=f"{name} wants Python {python}\n{shown}" if python else shown,
            hint=_spelled_as_imported(name) or reason.hint(name, via),
        )
    if only := re.search(rf"only {_PACKAGE} is available and (?:you require|{_NAME}.*? depends? on) ", flat):
        name = canonicalize_name(only["name"])
        chain = _chain(name, edges, direct)
        return ResolutionError.of(
            f"no version of {name} satisfies the requirement",
            at="required by " + " → ".join(chain),
            want=name + (direct.get(name) or next((spec for _, child, spec in edges if child == name), "")),
            got=f"{name}{only['spec']} is all there is",
            hint=f"require a version of {name} that exists for {target}",
        )
    return _conflict(shown, flat, edges, direct, target)


def _spelled_as_imported(name: str) -> str | None:
    meant = MISNAMED.get(name)
    return meant and f"did you mean {meant}? {name} is only the name it is imported by; write {meant}"


def _nearest_reason(flat: str) -> tuple[_Reason, re.Match[str]] | None:
    """Return the first package's reason why its newest versions are out: an account goes over older ones as well."""
    found = [(reason, match) for reason in _REASONS for match in reason.pattern.finditer(flat)]
    same = [one for one in found if one[1]["name"] == found[0][1]["name"]]
    return max(same, key=lambda one: _newest(one[1]["spec"].strip(".,")), default=None)


def _newest(spec: str) -> tuple[bool, Version]:
    """Return how new the versions of a range get, for comparing ranges of one package: whether all, else the last."""
    bounds = [(match[1], Version(match[2])) for match in _BOUND.finditer(spec)]
    last = [version for operator, version in bounds if operator in ("<", "<=", "==")]
    return (False, max(last)) if last else (True, Version("0"))


def explain_trouble(text: str) -> KilnError | None:
    """Return the error when a program failed for want of a network, of permission or of disk space; else None."""
    shown = redact(trim(text))
    if _FULL.search(shown):
        return StoreError.of(
            "disk full while fetching packages",
            got=shown,
            hint="free some space, or point KILN_HOME and TMPDIR at a larger disk; then run the command again",
        )
    if _REFUSED.search(shown):
        return FetchError.of(
            "the package index refused these credentials or wants some",
            got=shown,
            hint="put the credentials into pip's settings, a netrc file or a keyring, then run the command again",
        )
    if _NETWORK.search(shown):
        return FetchError.of(
            "the package index could not be reached",
            got=_causes(shown),
            hint="look at the network, the proxy and pip's settings (pip config list), then run the command again",
        )
    return None


_Demands = dict[str, dict[str, str]]
"""By package, and by who wants one of it: the versions."""


def _contested(edges: list[_Edge], direct: dict[str, str]) -> _Demands:
    """Return the packages of which not all want the same versions."""
    asked: _Demands = {}
    for parent, child, spec in edges:
        asked.setdefault(child, {})[parent] = spec
    for child, spec in direct.items():
        if spec:
            asked.setdefault(child, {})[AUTHOR] = spec
    return {child: who for child, who in asked.items() if len(set(who.values())) > 1}


def _conflict(shown: str, flat: str, edges: list[_Edge], direct: dict[str, str], target: Target) -> ResolutionError:
    contested = _contested(edges, direct)
    if not contested:
        return ResolutionError.of(
            f"no set of versions satisfies the requirements for {target}",
            got=shown or flat,
            hint="loosen one of the requirements named above",
        )
    faults = []
    for child, who in sorted(contested.items()):
        demands = []
        for parent, spec in sorted(who.items()):
            chain = [AUTHOR] if parent == AUTHOR else _chain(parent, edges, direct)
            demands.append(f"{child}{spec} by {' → '.join(chain)}")
        faults.append(
            Fault(
                fact=f"the requirements contradict each other about {child}",
                at=f"for {target}",
                want=f"one version of {child} for all",
                got="\n".join([*demands, "", shown]),
            )
        )
    asking = set()
    for child, who in contested.items():
        for parent in who:
            name = child if parent == AUTHOR else _chain(parent, edges, direct)[1]
            asking.add(f"{name}{direct.get(name, '')}")
    return ResolutionError(faults, hint=f"loosen or change the required version of {', '.join(sorted(asking))}")


def located(error: ResolutionError, places: Mapping[str, str]) -> ResolutionError:
    """Return the error with the lines of the author's requirements that it is about, by ``places``: name to line."""
    return ResolutionError([_at_line(fault, places) for fault in error.faults], hint=error.hint)


def _at_line(fault: Fault, places: Mapping[str, str]) -> Fault:
    at = fault.at or ""
    if at.startswith(_REQUIRED):
        names = [at.removeprefix(_REQUIRED).split(" ")[0]]
    else:
        names = [match["parent"] or match["child"] for match in _DIRECT.finditer(fault.got or "")]
    lines = list(dict.fromkeys(places[name] for name in map(canonicalize_name, names) if name in places))
    return replace(fault, at=f"{', '.join(lines)}: {at}") if lines else fault


def with_versions(error: ResolutionError, text: str) -> ResolutionError:
    """Return the error with the newest versions there are, when ``text`` is pip's and tells those of its package."""
    for match in _VERSIONS.finditer(text):
        name = canonicalize_name(match["name"])
        versions = [version.strip() for version in match["versions"].split(",")]
        versions = [version for version in versions if not _is_early(version)] or versions
        if error.faults[0].fact.startswith(f"no version of {name} ") and versions != ["none"]:
            newest = ", ".join(versions[-_FEW:])
            return ResolutionError(error.faults, hint=f"{error.hint or ''}; the newest are {newest}".lstrip("; "))
    return error


def _is_early(version: str) -> bool:
    """Tell whether a version is a candidate or a preview, which nobody gets without asking for it."""
    try:
        return Version(version).is_prerelease
    except InvalidVersion:
        return False


def _causes(shown: str) -> str:
    """Return one line for each host with the last cause that was given for it, of pages of retries."""
    causes: dict[str, str] = {}
    host = ""
    for line in shown.splitlines():
        for found in _HOST.finditer(line):
            port = found["port"] or ""
            host = found["netloc"] or f"{found['host']}{'' if port in ('80', '443') else f':{port}'}"
        for cause in _CAUSE.finditer(line):
            words = cause[cause.lastgroup or 0].strip().rstrip(".:")
            if host and not words.startswith("Failed to fetch"):
                causes[host] = words
    if causes:
        return "\n".join(f"{host}: {cause}" for host, cause in sorted(causes.items()))
    told = [line.strip() for line in shown.splitlines() if not line.lstrip().startswith(("Discarding", "Looking in"))]
    return "\n".join(told[-_FEW:])


def _graph(flat: str) -> tuple[list[_Edge], dict[str, str]]:
    edges: list[_Edge] = []
    for match in _EDGE.finditer(flat):
        child = canonicalize_name(match["child"])
        if child != "python":
            edges.append((canonicalize_name(match["parent"]), child, match["spec"].strip(".,")))
    direct: dict[str, str] = {}
    for sentence in _SENTENCE.split(flat):
        _, required, demands = sentence.partition(", we can conclude")[0].rpartition("you require ")
        if not required:
            continue
        for part in re.split(r",? and |, (?=[A-Za-z])", demands):
            if named := re.match(rf"(?:all versions of )?{_PACKAGE}[.,]*$", part.strip()):
                name = canonicalize_name(named["name"])
                direct[name] = named["spec"].strip(".,") or direct.get(name, "")
    return edges, direct


def _chain(name: str, edges: list[_Edge], direct: dict[str, str]) -> list[str]:
    """Return the way from the author's requirements to a package, as far as the account tells it."""
    chain, seen = [name], {name}
    while chain[0] not in direct:
        parent = next((parent for parent, child, _ in edges if child == chain[0] and parent not in seen), None)
        if parent is None:
            break
        seen.add(parent)
        chain.insert(0, parent)
    return [AUTHOR, *chain]


def _label(name: str, spec: str) -> str:
    return f"{name} {spec.removeprefix('==')}" if spec.startswith("==") else f"{name}{spec}"


def trim(text: str) -> str:
    """Drop a Python traceback and pip's warnings; what is left is what a person can use."""
    kept = []
    in_traceback = False
    for line in text.splitlines():
        if line.startswith("Traceback (most recent call last)"):
            in_traceback = True
        elif in_traceback and line and not line[0].isspace() and not line.startswith("The above exception"):
            in_traceback = False
            kept.append(line.rpartition("Error: ")[2] if "Error: " in line else line)
        elif not in_traceback and line.strip() and not line.lstrip().startswith(("WARNING: Location", "[notice]")):
            kept.append(line.rstrip())
    return "\n".join(kept[-40:])
