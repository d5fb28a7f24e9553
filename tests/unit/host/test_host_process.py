from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.errors import HostError
from builder.host.process import Companion, run


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_returns_all_that_was_printed_whatever_the_exit_code() -> None:
    done = run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_a_signal_is_a_negative_code() -> None:
    assert run(python("import os; os.kill(os.getpid(), 9)")).returncode == -9


def test_standard_input_is_empty_unless_given() -> None:
    echo = python("import sys; print(sys.stdin.read())")
    assert run(echo).stdout == "\n"
    assert run(echo, stdin="told").stdout == "told\n"


def test_the_environment_is_exactly_what_is_given() -> None:
    listing = python("import os; print(sorted(k for k in os.environ if not k.startswith('LC_')))")
    assert run(listing, env={"ONLY": "1"}).stdout == "['ONLY']\n"


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert run(python(r"import sys; sys.stdout.buffer.write(b'a\xff')")).stdout == "a�"


def test_runs_in_a_folder(tmp_path: Path) -> None:
    assert run(python("import os; print(os.getcwd())"), cwd=tmp_path).stdout.strip() == str(tmp_path.resolve())


def test_the_command_can_be_pasted_into_a_shell() -> None:
    assert run(["/bin/echo", "a b", Path("c")]).command == "/bin/echo 'a b' c"


def test_a_missing_program_is_named_with_a_remedy() -> None:
    with pytest.raises(HostError, match="program not found: no-such-program") as caught:
        run(["no-such-program", "--x"])
    assert caught.value.hint == "install no-such-program"
    assert caught.value.faults[0].at == "no-such-program --x"


def test_a_missing_folder_is_not_blamed_on_the_program(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="folder not found"):
        run(["/bin/true"], cwd=tmp_path / "none")


def test_a_file_that_may_not_be_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(HostError, match="may not be run"):
        run([tmp_path / "data"])


def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_bytes(b"\x7fELF nonsense")
    program.chmod(0o755)
    with pytest.raises(HostError, match="cannot be run"):
        run([program])


def test_a_program_that_does_not_end_is_ended() -> None:
    with pytest.raises(HostError, match=r"still running after 0\.2 s"):
        run(python("import time; time.sleep(60)"), timeout=0.2)


def test_a_companion_shares_a_descriptor_and_ends_when_it_is_closed(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with (tmp_path / "output").open("w+b") as output:
        code = "import os, sys; os.read(int(sys.argv[1]), 1); print('saw the end')"
        companion = Companion([sys.executable, "-c", code, str(reader)], output=output, descriptors=(reader,))
        os.close(reader)
        os.close(writer)
        companion.end(patience=20)
        output.seek(0)
        assert output.read() == b"saw the end\n"


def test_a_companion_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with (tmp_path / "output").open("w+b") as output:
        code = "import time; time.sleep(600)"
        companion = Companion([sys.executable, "-c", code], output=output, descriptors=())
        companion.end(patience=0.01)
        assert not Path(f"/proc/{companion.pid}").exists()


def test_a_companion_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    with (tmp_path / "output").open("w+b") as output, pytest.raises(HostError, match="no-such-program"):
        Companion(["no-such-program"], output=output, descriptors=())


def in_a_process_of_its_own(code: str) -> str:
    """Run code where no other thread is, and return what it printed."""
    prelude = "import os, sys, time\nfrom builder.host.process import Beside\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_work_beside_gives_its_result() -> None:
    out = in_a_process_of_its_own(
        "print(Beside.is_safe(), Beside(lambda: {'pid': os.getpid()}).result()['pid'] != os.getpid())"
    )
    assert out == "True True\n"


def test_work_beside_that_fails_has_no_result_and_prints_nothing() -> None:
    assert in_a_process_of_its_own("print(Beside(lambda: 1 / 0).result())") == "None\n"


def test_what_work_beside_has_in_its_buffers_is_not_printed_twice() -> None:
    assert in_a_process_of_its_own("print('once', end='')\nBeside(lambda: 1).result()") == "once"


def test_work_beside_can_be_abandoned_at_any_time() -> None:
    code = (
        "one = Beside(lambda: time.sleep(60))\none.abandon()\none.abandon()\n"
        "other = Beside(lambda: 1)\nother.result()\nother.abandon()\nprint('done')"
    )
    assert in_a_process_of_its_own(code) == "done\n"


def test_a_process_with_threads_is_not_copied() -> None:
    code = "import threading\nthreading.Thread(target=time.sleep, args=(0.5,)).start()\nprint(Beside.is_safe())"
    assert in_a_process_of_its_own(code) == "False\n"
