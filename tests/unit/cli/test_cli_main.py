from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from builder import __version__
from builder.cli import main as command


def ended(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        command.main(list(arguments))
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_version_and_help_need_no_stage() -> None:
    code = (
        "import sys\n"
        "from builder.cli.main import main\n"
        "try: main(['--version'])\n"
        "finally: print(sorted(name for name in sys.modules if name.startswith('builder.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, modules = done.stdout.splitlines()
    assert version == f"kiln, version {__version__}"
    assert modules == "['builder.cli', 'builder.cli.main', 'builder.errors']"


def test_every_command_named_in_the_help_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ended(capsys, "--help")
    assert code == 0
    context = click.Context(command.kiln)
    for name in command.kiln.list_commands(context):
        assert name in out
        assert command.kiln.get_command(context, name) is not None


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["imagee"], "did you mean `kiln image`?"),
        (["zzz"], "`kiln --help` tells what there is"),
        (["build"], "`kiln build --help` tells what there is"),
        (["build", "x", "--bogus"], "`kiln build --help` tells what there is"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_an_error_of_ours(
    capsys: pytest.CaptureFixture[str], arguments: list[str], hint: str
) -> None:
    code, out, err = ended(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.rstrip().endswith(f"hint: {hint}")


def test_an_error_is_one_json_object_when_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ended(capsys, "build", "/there/is/no/such/bundle", "--json")
    told = json.loads(out)
    assert told["exit_code"] == code == 3
    assert told["error"] == "BundleError"
    assert told["faults"][0]["fact"] in err


def test_an_unforeseen_failure_says_that_it_is_ours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(command.kiln, "main", fail)
    code, _, err = ended(capsys, "build", "x")
    assert code == 70
    assert "ZeroDivisionError" in err
    assert "not in your bundle" in err


def test_interruption_ends_with_the_code_shells_know(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command.kiln, "main", interrupt)
    code, _, err = ended(capsys, "build", "x")
    assert code == 130
    assert "run the command again" in err


def as_process(redirection: str, *, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run `kiln schema` in a process of its own, with what a shell does to its streams."""
    code = f"import sys\n{before}\nfrom builder.cli.main import main\nsys.argv[1:] = ['schema']\nmain()"
    script = ["sh", "-c", f'"$0" -c "$1" {redirection}', sys.executable, code]
    return subprocess.run(script, capture_output=True, text=True, check=False)


def test_process_ends_with_all_said_and_all_handlers_run() -> None:
    done = as_process("", before="import atexit\natexit.register(lambda: sys.stderr.write('handled'))")
    assert (done.returncode, done.stderr) == (0, "handled")
    assert json.loads(done.stdout)["$schema"]


def test_process_without_a_standard_output_ends_well() -> None:
    done = as_process(">&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_process_waits_for_its_threads() -> None:
    late = "import threading, time\ndef late():\n    time.sleep(0.5)\n    sys.stderr.write('late')\n"
    done = as_process("", before=late + "threading.Thread(target=late).start()")
    assert (done.returncode, done.stderr) == (0, "late")


def test_full_disk_under_the_output_is_no_fault_of_ours() -> None:
    done = as_process(">/dev/full")
    assert done.returncode == 19
    assert done.stderr.startswith("error: a disk is full\n  at   standard output")


def test_reader_who_goes_away_is_no_fault() -> None:
    listening, said = os.pipe()
    os.close(listening)
    for arguments, streams in (("schema", {"stdout": said}), ("check /nowhere", {"stderr": said})):
        argv = [sys.executable, "-m", "builder.cli", *arguments.split()]
        gone = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        done = subprocess.run(argv, **gone, check=False)
        assert (done.returncode, done.stdout or b"", done.stderr or b"") == (141, b"", b"")
    os.close(said)


def test_command_that_nobody_hears_does_its_work() -> None:
    done = as_process("2>&-")
    assert done.returncode == 0
    assert json.loads(done.stdout)["$schema"]


def test_interruption_that_a_library_turned_into_another_fault_is_one_still(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt as error:
            raise RuntimeError("half-made") from error

    monkeypatch.setattr(command.kiln, "main", fail)
    monkeypatch.setattr(command, "_interruptions", [])
    code, _, err = ended(capsys, "build", "x")
    assert code == 130
    assert err.startswith("interrupted")


@pytest.mark.parametrize(("before", "code"), [("", -signal.SIGINT), ("signal.signal(2, signal.SIG_IGN)", 0)])
def test_interruption_while_loading_ends_the_process_without_a_word(before: str, code: int) -> None:
    program = f"""
import os, signal, sys
{before}
class Interrupting:
    def find_spec(self, name, *_):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.argv[1:] = ["--version"]
from builder.cli.start import start
start()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")


def test_one_document_goes_to_stdout(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "m.bin").write_bytes(b"weights")
    (bundle / "score.py").write_text("def load(folder): pass\ndef predict(model, records): return records\n")
    (bundle / "bundle.yaml").write_text(
        "name: demo\nversion: 1.0.0\nmodel: {path: m.bin}\nscoring: {script: score.py}\n"
        "environment: {python: '3.11', requirements: [numpy]}\n"
    )
    code, out, _ = ended(capsys, "checklist", str(bundle), "--strict", "--json")
    assert code == 15
    assert "missing" in {point["state"] for point in json.loads(out)["points"]}
    code, out, _ = ended(capsys, "check", str(bundle), "--sarif", "-", "--json")
    assert (code, json.loads(out)["error"]) == (2, "UsageError")
