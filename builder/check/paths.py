"""Paths that scoring code uses, against what is in the image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from posixpath import basename, dirname, normpath, relpath

from builder.check.finding import Finding, Level, Place, Rule
from builder.check.image_files import CODE_DIR, MODEL_DIR, ImageFiles
from builder.check.subject import Subject
from builder.check.walk.file_calls import Use
from builder.check.walk.library_calls import absolute
from builder.check.walk.script import Walked, walk_scoring
from builder.check.walk.state import PathUse
from builder.check.walk.values import Constant, Value, is_assumed, options_of, text_of

_FAILS = "The container starts, and fails: at once when the model is loaded so, or with 500 at every request."

MISSING_FILE = Rule(
    id="KILN401",
    name="missing-file",
    level=Level.ERROR,
    summary="The scoring code opens a file that is not in the image.",
    why=_FAILS,
    remedy="Join the model's own name to the model directory; open what lies beside the script relative to __file__.",
)
AUTHOR_PATH = Rule(
    id="KILN402",
    name="path-of-another-machine",
    level=Level.ERROR,
    summary="The scoring code uses a path of its author's machine, or of another platform.",
    why="Works where it was written and nowhere else; it may also tell the author's name to whoever reads the image.",
    remedy="Load the model from the model directory, and everything else relative to __file__.",
)
FILE_LEFT_OUT = Rule(
    id="KILN403",
    name="file-left-out",
    level=Level.ERROR,
    summary="The scoring code opens a file that is in the bundle but does not enter the image.",
    why=f"Works on the author's machine, where the file lies beside the script. {_FAILS}",
    remedy="Name the file under scoring.sources, or keep it in the folder that model.path names.",
)
READ_ONLY = Rule(
    id="KILN404",
    name="write-outside-tmp",
    level=Level.ERROR,
    summary="The scoring code writes where the image cannot be written.",
    why="The image's files belong to root, the worker does not run as root, and platforms mount the root read-only.",
    remedy="Write to /tmp (the tempfile module does), or to standard output for logs.",
)
EMPTY_GLOB = Rule(
    id="KILN405",
    name="empty-glob",
    level=Level.WARNING,
    summary="A pattern of the scoring code matches no file of the image.",
    why="An empty list is no error where it is made; what takes its first item, or loads every part, fails later.",
    remedy="Correct the pattern, or name the files.",
)
RULES: tuple[Rule, ...] = (MISSING_FILE, AUTHOR_PATH, FILE_LEFT_OUT, READ_ONLY, EMPTY_GLOB)

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|data:|:memory:|<")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\[A-Za-z]")
_AUTHORS = (
    "/home/", "/Users/", "/root/", "/content/", "/kaggle/", "/dbfs/", "/databricks/", "/Volumes/", "/workspace/",
    "/workspaces/", "/media/", "/var/azureml-app/", "/mnt/c/", "/mnt/batch/tasks/", "/app/", "/export/home/",
)  # fmt: skip
"""Folders of people, notebooks and other platforms' images; never in an image of ours."""
_OPEN_TO_ALL = ("/tmp", "/dev", "/proc", "/var/tmp", "/run/user")  # noqa: S108
_MOUNTED = ("/mnt", "/data", "/srv", "/run", "/var", "/etc", "/opt/ml")
"""What a platform may mount, to read or to write: nothing is known of it."""
_READS = frozenset({Use.READ, Use.READ_ANY, Use.READ_FOLDER, Use.DEMAND})
_LOOKS_LIKE_NAME = re.compile(r"(?!\.{1,2}/)[\w.-]+(?:/[\w.-]+)?\Z")


def find_paths(subject: Subject) -> Iterator[Finding]:
    """Yield every path that is not what the code takes it for."""
    yield from judge_paths(walk_scoring(subject))


def judge_paths(walked: Walked) -> Iterator[Finding]:
    """Yield the findings of a walk, one for each place and path."""
    told: set[tuple[str, int, str]] = set()
    written: set[str] = set()
    for use in walked.path_uses:
        if use.use is Use.WRITE and not use.is_guarded:
            written |= _paths_of(use)
        elif use.use in _READS and written & _paths_of(use):
            continue  # what is wrong is that it is written there
        for finding in _judge(use, walked):
            key = (use.module, use.line, finding.message)
            if key not in told:
                told.add(key)
                yield replace(finding, message=finding.message + use.called_from)


def _paths_of(use: PathUse) -> set[str]:
    texts = (text_of(option) for option in options_of(use.value))
    return {absolute(text, use.folder or CODE_DIR) for text in texts if text}


def _judge(use: PathUse, walked: Walked) -> Iterator[Finding]:
    """Judge a use; with several paths it may be, it is wrong when all of them are."""
    findings = []
    for option in options_of(use.value):
        finding = _judge_one(use, option, walked)
        if finding is None:
            return
        findings.append(finding)
    yield from findings[:1]


def _judge_one(use: PathUse, value: Value, walked: Walked) -> Finding | None:
    text = text_of(value)
    if not text or (_URL.match(text) and not _WINDOWS.match(text)) or "\n" in text or "\0" in text:
        return None
    if use.use is Use.NAME_OR_PATH and isinstance(value, Constant) and _LOOKS_LIKE_NAME.match(text):
        return None
    is_certain = use.is_certain and not is_assumed(value)
    finding = _judge_text(use, text, walked)
    if finding is None or is_certain or finding.severity is not Level.ERROR:
        return finding
    return Finding(
        rule=finding.rule,
        place=finding.place,
        message=finding.message,
        remedy=finding.remedy,
        level=Level.WARNING,
    )


def _judge_text(use: PathUse, text: str, walked: Walked) -> Finding | None:
    is_home = text.startswith("~")
    if is_home and use.use is Use.WRITE:
        return None  # HOME is /tmp
    if is_home or _WINDOWS.match(text) or text.startswith(_AUTHORS):
        return None if use.is_guarded else _author_path(use, text, walked)
    if use.folder is None and not text.startswith("/"):
        return None
    path = absolute(text, use.folder or CODE_DIR)
    match use.use:
        case Use.WRITE:
            return _write(use, path, walked.files)
        case Use.SEARCH:
            return None
        case Use.GLOB:
            return _glob(use, path, walked.files)
        case _:
            return _read(use, path, text, walked)


def _author_path(use: PathUse, text: str, walked: Walked) -> Finding:
    files = walked.files
    name = basename(text.replace("\\", "/").rstrip("/"))
    there = files.find_named(name)
    beside = files.find_in_bundle(name) if name and not there else None
    kind = "a home folder" if text.startswith("~") else "another machine"
    if there:
        remedy = f"write {_expression(there[0], walked)}"
    elif beside and use.use is not Use.WRITE:
        remedy = f"add {beside} to scoring.sources, and open it relative to __file__"
    elif use.use is Use.SEARCH:
        remedy = "name the folder under scoring.sources, and extend sys.path relative to __file__"
    elif use.use is Use.WRITE:
        remedy = "write to /tmp"
    else:
        remedy = f"put {name or 'it'} into the bundle, and open it relative to __file__"
    return _finding(AUTHOR_PATH, use, f"{use.call} uses {text}, a path of {kind}", remedy)


def _write(use: PathUse, path: str, files: ImageFiles) -> Finding | None:
    allowed = (*_OPEN_TO_ALL, *_MOUNTED)
    if any(path == folder or path.startswith(f"{folder}/") for folder in allowed):
        return None
    if use.is_guarded or (use.call.endswith(("mkdir", "makedirs")) and files.is_folder(path)):
        return None
    remedy = f"write to /tmp/{basename(path)}, or use the tempfile module"
    if use.call.startswith("logging."):
        remedy = "log to standard output: the platform collects it"
    return _finding(READ_ONLY, use, f"{use.call} writes to {path}, which cannot be written", remedy)


def _glob(use: PathUse, path: str, files: ImageFiles) -> Finding | None:
    fixed = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0]
    if not files.covers_pattern(path) or use.is_guarded or files.match(path, recursive=True):
        return None
    remedy = f"correct the pattern: {files.describe(fixed)}"
    return _finding(EMPTY_GLOB, use, f"{use.call} looks for {path}, which matches no file of the image", remedy)


def _read(use: PathUse, path: str, text: str, walked: Walked) -> Finding | None:
    files = walked.files
    if not files.covers(path) or use.is_guarded:
        return None
    if files.is_file(path):
        if use.use is not Use.READ_FOLDER:
            return None
        return _finding(MISSING_FILE, use, f"{use.call} lists {path}, which is a file", "name its folder")
    if files.is_folder(path):
        if use.use is not Use.READ:
            return None
        remedy = f"name a file of it: {files.describe(path)}"
        return _finding(MISSING_FILE, use, f"{use.call} opens {path}, which is a folder", remedy)
    close = files.find_close(path)
    if close is not None and basename(close) == basename(path):
        return _missing(use, path, f"write {_expression(close, walked)}: that is where it stands in the image")
    beside = files.in_bundle(path) or (None if text.startswith("/") else files.find_in_bundle(normpath(text)))
    if beside is not None:
        message = f"{_deed(use)} {path}; {beside} is in the bundle, but does not enter the image"
        return _finding(FILE_LEFT_OUT, use, message, _how_to_add(beside, path))
    if close is not None:
        return _missing(use, path, f"write {_expression(close, walked)}; {files.describe(dirname(path))}")
    if not files.is_author(path):
        remedy = (
            f"the image holds the model below {MODEL_DIR} and the code below {CODE_DIR}: "
            f"add {basename(path)} to scoring.sources, and open it relative to __file__"
        )
        return _missing(use, path, remedy)
    return _missing(use, path, f"{files.describe(dirname(path))}: put {basename(path)} there, or correct the name")


def _how_to_add(beside: str, path: str) -> str:
    where = f"add {beside} to scoring.sources"
    if path.startswith(f"{MODEL_DIR}/"):
        return f"{where} and open it relative to __file__; or name its folder as model.path"
    if path != f"{CODE_DIR}/{beside}":
        return f"{where}; in the image it is {CODE_DIR}/{beside}"
    return where


def _missing(use: PathUse, path: str, remedy: str) -> Finding:
    return _finding(MISSING_FILE, use, f"{_deed(use)} {path}, which is not in the image", remedy)


def _deed(use: PathUse) -> str:
    return "the code raises without" if use.use is Use.DEMAND else f"{use.call} opens"


def _expression(path: str, walked: Walked) -> str:
    """Return how code names a file of the image: from the model directory, or from the code."""
    if path.startswith(f"{MODEL_DIR}/"):
        return f'os.path.join({walked.model_dir}, "{relpath(path, MODEL_DIR)}")'
    return f'"{relpath(path, CODE_DIR)}" relative to the code\'s folder'


def _finding(rule: Rule, use: PathUse, message: str, remedy: str) -> Finding:
    place = Place(path=use.module, line=use.line, column=use.column)
    return Finding(rule=rule, place=place, message=message, remedy=remedy)
