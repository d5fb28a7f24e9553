"""The interpreter bytecode is compiled with: the base image's own, started from its unpacked tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from builder.assemble.assembler import needs_compiling
from builder.assemble.bytecode import Interpreter
from builder.base.loader import tree_command
from builder.base.model import BaseKind, LockedBase
from builder.errors import BaseImageError
from builder.host.process import run
from builder.oci.image import Layer
from builder.oci.platform import Platform
from builder.pipeline.workshop import Workshop
from builder.plan.model import Plan
from builder.store.records import Records

Progress = Callable[[str], None]


@contextmanager
def interpreter_for(plan: Plan, workshop: Workshop, *, offline: bool, progress: Progress) -> Iterator[Interpreter]:
    """Lend the interpreter that compiles for this plan.

    It is the base's own on this machine's platform; bytecode is the same on every architecture. Its tree is
    unpacked only when there is something to compile: what was compiled before is known by the interpreter's version.
    """
    layers = _host_layers(plan.base, workshop, offline=offline, progress=progress)
    records = Records(workshop.store.root, "interpreters")
    key = [str(layer.diff_id) for layer in layers]
    version = records.get(key)
    if version is not None:
        known = Interpreter(argv=("unneeded",), version=version)
        if not needs_compiling(plan, workshop.store, known):
            yield known
            return
    from builder.store.tree import hold_tree  # noqa: PLC0415 - only to compile

    host = _host()
    if plan.platform != host and any(locked.platform == host for locked in plan.base.platforms):
        # Building for another platform alone fetches nothing of this one.
        from builder.pipeline.bases import require_base  # noqa: PLC0415

        require_base(plan.base, host, workshop, offline=offline, progress=progress)
    tree = hold_tree(layers, workshop.store, own=False, progress=progress)
    try:
        command = tree_command(tree.path, plan.base_on_platform.interpreter, host)
        if version is None:
            version = _ask_version(command.argv, dict(command.env))
            records.put(key, version)
        yield Interpreter(argv=command.argv, version=version, env=command.env)
    finally:
        tree.release()


def known_interpreter(plan: Plan, workshop: Workshop) -> Interpreter | None:
    """Return what is known of the interpreter that compiles for this plan without starting it; it cannot be run."""
    host = Platform.host()
    for locked in plan.base.platforms:
        if locked.platform == host:
            version = Records(workshop.store.root, "interpreters").get([str(layer.diff_id) for layer in locked.layers])
            return Interpreter(argv=("unneeded",), version=version) if isinstance(version, str) else None
    return None


def _host() -> Platform:
    host = Platform.host()
    if host is None:
        raise BaseImageError.of(
            "no base image runs on this machine", want="Linux on amd64 or arm64", hint="build on such a machine"
        )
    return host


def _host_layers(base: LockedBase, workshop: Workshop, *, offline: bool, progress: Progress) -> tuple[Layer, ...]:
    host = _host()
    for locked in base.platforms:
        if locked.platform == host:
            return locked.layers
    from builder.base.assembled import load_base  # noqa: PLC0415 - only when building for another machine
    from builder.pipeline.bases import assembled_layer, pulled_layers  # noqa: PLC0415

    if base.kind is BaseKind.DEBIAN:
        image = load_base(base.name)
        return (assembled_layer(image, host, workshop, offline=offline, progress=progress),)
    return pulled_layers(base, host, workshop, offline=offline, progress=progress)


def _ask_version(argv: tuple[str, ...], env: dict[str, str]) -> str:
    done = run([*argv, "-I", "-S", "-c", "import platform; print(platform.python_version())"], env=env, timeout=60)
    if done.returncode != 0:
        raise BaseImageError.of(
            "the base's own interpreter does not start on this machine",
            at=done.command,
            got=done.stderr.strip()[-2000:] or f"exit {done.returncode}",
            hint="the store must be on a file system programs may be run from (not mounted noexec)",
        )
    return done.stdout.strip()
