"""Keys, tokens and passwords in what enters the image, or in bundle.yaml. None is ever shown whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from builder.check.finding import Finding, Level, Place, Rule
from builder.check.places import BUNDLE_FILE, yaml_place
from builder.check.secret_code import find_hard_coded
from builder.check.secret_files import find_credential_file, is_named_like_credentials
from builder.check.secret_patterns import find_passwords, find_private_keys, find_tokens, mask
from builder.check.secret_settings import find_settings, is_settings
from builder.check.secret_values import secret_of
from builder.check.subject import Subject

_ANYONE = (
    "Whoever can pull the image can read every file, layer and variable of it, for as long as any registry keeps a "
    "copy; a secret in one layer stays there when a later one deletes it."
)
_REVOKE = "revoke it, remove it from the bundle, and pass a new one to the container when it is started"

PRIVATE_KEY = Rule(
    id="KILN601",
    name="private-key",
    level=Level.ERROR,
    summary="A private key is in a file that enters the image.",
    why=_ANYONE,
    remedy=f"Treat the key as published: {_REVOKE}, as a mounted file.",
)
TOKEN = Rule(
    id="KILN602",
    name="access-token",
    level=Level.ERROR,
    summary="An access key or token of a known service is in a file that enters the image.",
    why=_ANYONE,
    remedy=f"Treat the token as published: {_REVOKE}, as an environment variable.",
)
URL_PASSWORD = Rule(
    id="KILN603",
    name="password-in-url",
    level=Level.ERROR,
    summary="A URL carries a user name and password, or a token.",
    why=_ANYONE,
    remedy="Keep the URL without the credentials; settings of the machine (pip's own, .netrc) hold those of an index.",
)
CREDENTIAL_FILE = Rule(
    id="KILN604",
    name="credential-file",
    level=Level.ERROR,
    summary="A file that holds credentials by its name and content enters the image.",
    why=_ANYONE,
    remedy="Take the file out of the folder that scoring.sources names, or name the other files one by one.",
)
VARIABLE = Rule(
    id="KILN605",
    name="secret-variable",
    level=Level.ERROR,
    summary="A variable of environment.variables holds a secret.",
    why="The variables are part of the image's configuration, which every registry shows to whoever may pull.",
    remedy="Leave the variable out of bundle.yaml; give it to the container from the platform's secret store.",
)
HARD_CODED = Rule(
    id="KILN606",
    name="hard-coded-password",
    level=Level.WARNING,
    summary="The scoring code, or a file of settings, gives a literal to a name that says it is a secret.",
    why=_ANYONE,
    remedy="Read it from an environment variable that the platform's secret store fills.",
)
BESIDE = Rule(
    id="KILN607",
    name="credentials-beside",
    level=Level.NOTE,
    summary="A file of credentials lies in the bundle; it does not enter the image.",
    why="One line more in scoring.sources, or a commit of the folder, and it is out.",
    remedy="Keep it outside of the bundle, or in .gitignore.",
)
RULES: tuple[Rule, ...] = (PRIVATE_KEY, TOKEN, URL_PASSWORD, CREDENTIAL_FILE, VARIABLE, HARD_CODED, BESIDE)

LARGEST = 1 << 20
"""Larger files are weights or data, not places where people keep keys."""
_HEAD = 8192
_MOST_BESIDE = 1000
_LARGEST_BESIDE = 32 << 10
"""Files of credentials are small; samples and data beside are not read."""


def find_secrets(subject: Subject) -> Iterator[Finding]:
    """Yield every secret that would leave with the image, and files of credentials that lie beside."""
    told: set[tuple[str, str]] = set()
    credential_files = list(_credential_files(subject))
    told_whole = {finding.place.path for finding in credential_files}
    for name, text in _texts(subject):
        for finding, value in _in_text(name, text):
            if (name, value) not in told:
                told.add((name, value))
                yield finding
        if name.endswith(".py"):
            yield from _in_code(name, text, told)
        elif name != BUNDLE_FILE and name not in told_whole and is_settings(name):
            yield from _in_settings(name, text, told)
    yield from _in_variables(subject, told)
    yield from _in_requests(subject)
    yield from credential_files
    yield from _beside(subject)


def _texts(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield each small text file that enters the image, and the two that are read with it."""
    bundle = subject.bundle
    names: dict[str, None] = {}
    for file in (*subject.inventory.code, *subject.inventory.model):
        if file.size <= LARGEST:
            names[file.path] = None
    environment, requirements = bundle.model.training_environment, bundle.environment.requirements_file
    for name in (BUNDLE_FILE, requirements, environment):
        if name:
            names[name] = None
    for name in names:
        content = subject.sources.get(name)
        if content is None:
            content = _read(bundle.root / name)
        if content is not None and b"\0" not in content[:_HEAD]:
            yield name, content.decode("utf-8", "replace")


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError:
        return None


def _in_text(name: str, text: str) -> Iterator[tuple[Finding, str]]:
    for secret in find_private_keys(text):
        message = f"a private key of {len(secret.value)} characters or more stands here"
        yield (
            _finding(PRIVATE_KEY, _place(name, text, secret.start), message, f"{_REVOKE}, as a mounted file"),
            (secret.value),
        )
    for secret in find_tokens(text):
        message = f"{_a(secret.kind)} stands here: {mask(secret.value)}"
        remedy = f"{_REVOKE}, as an environment variable"
        yield _finding(TOKEN, _place(name, text, secret.start), message, remedy), secret.value
    for secret in find_passwords(text):
        message = f"{_a(secret.kind)} stands here: {mask(secret.value)}"
        remedy = "write the URL without it, and change it, since it has been written down"
        yield _finding(URL_PASSWORD, _place(name, text, secret.start), message, remedy), secret.value


def _in_code(name: str, text: str, told: set[tuple[str, str]]) -> Iterator[Finding]:
    """Find ``API_KEY = "…"``, ``connect(password="…")`` and ``{"password": "…"}``."""
    for literal in find_hard_coded(text):
        if _is_told(name, literal.value, told):
            continue
        place = Place(path=name, line=literal.line, column=literal.column)
        message = f"{literal.name} is written into the code: {mask(literal.value)}"
        remedy = f'read it when the container starts: os.environ["{_variable(literal.name)}"]'
        yield _finding(HARD_CODED, place, message, remedy)


def _in_settings(name: str, text: str, told: set[tuple[str, str]]) -> Iterator[Finding]:
    for setting in find_settings(text):
        if _is_told(name, setting.value, told):
            continue
        message = f"{setting.name} is written into a file of settings: {mask(setting.value)}"
        remedy = f'leave it out, and read it when the container starts: os.environ["{_variable(setting.name)}"]'
        yield _finding(HARD_CODED, _place(name, text, setting.start), message, remedy)


def _is_told(name: str, value: str, told: set[tuple[str, str]]) -> bool:
    """Tell whether a finding speaks of this value, or of one that it is part of; from now on one does."""
    if any(place == name and value in known for place, known in told):
        return True
    told.add((name, value))
    return False


def _variable(name: str) -> str:
    """Return a name that a variable of the environment can have."""
    return re.sub(r"\W+", "_", name).strip("_").upper()


def _in_variables(subject: Subject, told: set[tuple[str, str]]) -> Iterator[Finding]:
    for name, value in subject.bundle.environment.variables.items():
        text = secret_of(name, str(value))
        if text is None or (BUNDLE_FILE, text) in told:
            continue
        place = yaml_place(subject.bundle.root, "environment", "variables", name)
        message = f"variable {name} holds a secret: {mask(text)}"
        remedy = f"remove {name} from environment.variables and set it where the container is started"
        yield _finding(VARIABLE, place, message, remedy)


def _in_requests(subject: Subject) -> Iterator[Finding]:
    """The first accepted request is kept in bundle.json, inside the image."""
    for index, test in enumerate(subject.bundle.smoke):
        if test.expect.status != 200 or len(test.request) > LARGEST:
            continue
        text = test.request.decode("utf-8", "replace")
        for secret in (*find_private_keys(text), *find_tokens(text)):
            place = yaml_place(subject.bundle.root, "smoke", index, "request")
            message = f"the request of smoke test '{test.name}' holds {_a(secret.kind)}: {mask(secret.value)}"
            remedy = "write a request with made-up values; the first accepted one is kept in the image"
            yield _finding(TOKEN, place, message, remedy)
        return


def _credential_files(subject: Subject) -> Iterator[Finding]:
    for file in (*subject.inventory.code, *subject.inventory.model):
        if not is_named_like_credentials(file.path):
            continue
        content = _read(subject.bundle.root / file.path)
        kind = find_credential_file(file.path, content) if content is not None else None
        if kind:
            folder = _source_of(file.path, subject)
            remedy = f"move {file.path} out of {folder}" if folder else f"take {file.path} out of scoring.sources"
            yield _finding(CREDENTIAL_FILE, Place(path=file.path), f"{kind} would enter the image", remedy)


def _source_of(path: str, subject: Subject) -> str | None:
    """Return the folder of scoring.sources (or the model) that brings a file in."""
    named = (*subject.bundle.scoring.sources, subject.bundle.model.path)
    return next((f"{name.rstrip('/')}/" for name in named if path.startswith(f"{name.rstrip('/')}/")), None)


def _beside(subject: Subject) -> Iterator[Finding]:
    """Files of credentials at the bundle's root, and two levels below it."""
    root = subject.bundle.root
    inside = {file.path for file in (*subject.inventory.code, *subject.inventory.model)}
    for path in _walk(root):
        name = path.relative_to(root).as_posix()
        if name in inside or not is_named_like_credentials(name):
            continue
        content = _read(path)
        kind = find_credential_file(name, content) if content is not None else None
        if kind:
            message = f"{kind} lies in the bundle; it stays out of the image"
            yield _finding(BESIDE, Place(path=name), message, f"keep {name} elsewhere, and out of the repository")


def _walk(root: Path) -> Iterator[Path]:
    todo, seen = [(root, 0)], 0
    while todo:
        folder, depth = todo.pop()
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > _MOST_BESIDE:
                return
            if entry.is_symlink():
                continue
            if entry.is_dir():
                is_own = entry.name in {
                    ".git",
                    "__pycache__",
                    "node_modules",
                    "build",
                    ".venv",
                    "venv",
                    "site-packages",
                }
                if depth < 2 and not is_own:
                    todo.append((entry, depth + 1))
            elif entry.is_file() and entry.stat().st_size <= _LARGEST_BESIDE:
                yield entry


def _place(name: str, text: str, start: int) -> Place:
    line = text.count("\n", 0, start) + 1
    return Place(path=name, line=line, column=start - (text.rfind("\n", 0, start) + 1) + 1)


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOaeiou' else 'a'} {kind}"


def _finding(rule: Rule, place: Place, message: str, remedy: str) -> Finding:
    return Finding(rule=rule, place=place, message=message, remedy=remedy)
