"""Writes the pages of docs/reference that follow from the code: exit codes, the command line, rules of the check.

``python tools/reference.py`` writes them; the test suite fails when they are not what this would write.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from builder import errors
from builder.check.rules import RULES
from builder.cli.main import kiln

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"


def exit_codes() -> str:
    """Return the page on exit codes, made from the tree of errors."""
    classes = sorted(
        (
            value
            for value in vars(errors).values()
            if isinstance(value, type) and issubclass(value, errors.KilnError) and value is not errors.KilnError
        ),
        key=lambda cls: cls.exit_code,
    )
    rows = "\n".join(f"| {cls.exit_code} | `{cls.__name__}` | {inspect.getdoc(cls)} |" for cls in classes)
    return f"""# Exit codes

Every kind of failure has a code of its own, so that a script can tell them apart.

| code | error | when |
|---|---|---|
| 0 | | what was asked was done |
{rows}
| 70 | | a fault in kiln itself; please report it |
| 130 | | interrupted; nothing half-written was kept |

With `--json` the error is also one JSON object on stdout: `error`, `exit_code`, `hint`, and `faults`, each with `fact`,
`at`, `want`, `got` and `fix`.
"""


def command_line() -> str:
    """Return the page on the command line, made from the commands' own help."""
    parts = ["# The kiln command\n\nData goes to stdout, prose to stderr. `NO_COLOR` is respected.\n"]
    parts += _sections(kiln, click.Context(kiln, info_name="kiln", **kiln.context_settings), depth=2)
    return "\n".join(parts)


def _sections(command: click.Command, context: click.Context, depth: int) -> list[str]:
    text = command.get_help(context)
    found = [f"{'#' * depth} {context.command_path}\n\n```text\n{text}\n```\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                found += _sections(below, click.Context(below, info_name=name, parent=context), depth + 1)
    return found


_FAMILIES = {
    "0": "The check itself",
    ("10", "11"): "Imports",
    "15": "System libraries",
    "2": "The artifact against the environment",
    "3": "Pickle safety",
    "4": "Paths",
    "5": "Contract, schemas and features",
    "6": "Secrets",
    "7": "Weight",
}


def rules() -> str:
    """Return the page on the rules of ``kiln check``, made from the rules themselves."""
    parts = [
        """# Rules of the check

What `kiln check` finds. The level is the rule's own; a finding may have another where its message says why, and
[`check:`](bundle-yaml.md#check) in bundle.yaml sets it for a bundle. Errors stop a build; warnings and notes do not.
An ID never changes its meaning.
"""
    ]
    for prefix, title in _FAMILIES.items():
        family = [RULES[name] for name in sorted(RULES) if name.removeprefix("KILN").startswith(prefix)]
        if family:
            parts.append(f"## {title}\n")
        parts += [
            f"### {rule.id} {rule.name}\n\n**{rule.level}.** {rule.summary}\n\n{rule.why}\n\n*{rule.remedy}*\n"
            for rule in family
        ]
    return "\n".join(parts)


PAGES = {"exit-codes.md": exit_codes, "command-line.md": command_line, "rules.md": rules}


def main() -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page())


if __name__ == "__main__":
    main()
