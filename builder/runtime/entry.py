"""What an image starts: ``python -I -S entry.py <command>``.

Commands: ``serve`` scores over HTTP; ``lambda`` serves AWS Lambda; ``auto`` is the one that fits; ``batch`` scores
files; ``probe livez|readyz`` asks a running server; ``check`` imports the scoring code and loads the model; ``worker``
and ``tables`` are for our own use; anything else is executed as a program.
Nothing is on ``sys.path`` but the standard library until a command puts it there: the server and the worker have
separate import roots. The package is registered as ``kiln_runtime`` whatever its directory is called.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

PACKAGE = "kiln_runtime"


def register_package() -> None:
    """Make ``kiln_runtime`` importable without putting its parent directory on ``sys.path``."""
    if PACKAGE in sys.modules:
        return
    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(PACKAGE, here / "__init__.py", submodule_search_locations=[str(here)])
    if spec is None or spec.loader is None:
        raise ImportError(f"no package at {here}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)


def is_on_lambda() -> bool:
    """Say whether this is the runtime of a Lambda function, and no web adapter turns its events into HTTP."""
    return bool(os.environ.get("AWS_LAMBDA_RUNTIME_API")) and not Path("/opt/extensions/lambda-adapter").exists()


def refuse_training() -> int:
    """Say that there is nothing here to train; platforms that train start images with this word."""
    print("kiln: this image scores a model that is trained already; it has no train command", file=sys.stderr)
    return 64


def main(arguments: list[str]) -> int:
    """Run the command and return the exit code; a foreign command replaces this process."""
    sys.dont_write_bytecode = True
    register_package()
    command, *rest = arguments or ["auto"]
    match command:
        case "lambda":
            return int(importlib.import_module(f"{PACKAGE}.aws.start").serve(rest))
        case "auto" if is_on_lambda():
            return int(importlib.import_module(f"{PACKAGE}.aws.start").serve(rest))
        case "auto" | "serve":
            return int(importlib.import_module(f"{PACKAGE}.serve").serve(rest))
        case "batch":
            return int(importlib.import_module(f"{PACKAGE}.batch.start").score(rest))
        case "train":
            return refuse_training()
        case "worker":
            return int(importlib.import_module(f"{PACKAGE}.worker.main").work(rest))
        case "tables":
            return int(importlib.import_module(f"{PACKAGE}.worker.tables").run(rest))
        case "check":
            return int(importlib.import_module(f"{PACKAGE}.worker.main").check())
        case "probe":
            return int(importlib.import_module(f"{PACKAGE}.probe").main(rest))
        case _:
            return int(importlib.import_module(f"{PACKAGE}.foreign").execute([command, *rest]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
