"""The embedded runner against real kernels: a tiny image of this machine's own Python, no base image, no network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import namespaces_image as tiny
import pytest

import builder
from builder.engine.namespaces import NamespaceInstance, NamespaceRunner
from builder.engine.runner import RunOptions
from builder.errors import DigestMismatchError, EngineError
from builder.host.removal import remove_tree
from builder.oci.config import Healthcheck
from builder.oci.image import Image, Layer
from builder.store.blobs import BlobStore
from builder.store.tree import unpack_layers

pytestmark = pytest.mark.namespaces

OPTIONS = RunOptions(memory=128 << 20, cpu=1.0, uid=23456, health_interval=0.1)
ALLOCATE = """
import time
print("allocating", flush=True)
hog = [bytearray(8 << 20) for _ in range(100)]
time.sleep(60)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="session")
def store() -> Iterator[BlobStore]:
    root = Path(tempfile.mkdtemp(prefix="kiln-namespaces-"))
    yield BlobStore(root)
    remove_tree(root)


@pytest.fixture(scope="session")
def python(store: BlobStore) -> Layer:
    return tiny.python_layer(store)


@pytest.fixture
def run(store: BlobStore, python: Layer) -> Iterator[Callable[..., NamespaceInstance]]:
    started: list[NamespaceInstance] = []

    def start(program: str = tiny.SERVICE, options: RunOptions = OPTIONS, **config: object) -> NamespaceInstance:
        instance = NamespaceRunner(store).start(tiny.image_of(python, store, program, **config), options)
        started.append(instance)
        return instance

    yield start
    for instance in started:
        instance.remove()


@contextmanager
def within(seconds: float, what: str) -> Iterator[Callable[[], bool]]:
    deadline = time.monotonic() + seconds

    def wait() -> bool:
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.01)
        return True

    yield wait


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    with within(seconds, what) as wait:
        while not condition() and wait():
            pass


def is_ready(instance: NamespaceInstance) -> bool:
    try:
        return instance.request("GET", "/readyz", body=None, headers={}, timeout=2).status == 200
    except ConnectionError:
        assert instance.exit_state() is None, instance.logs(40)
        return False


def inside(instance: NamespaceInstance, code: str) -> str:
    done = instance.execute([*tiny.PYTHON, "-c", code], timeout=20)
    assert done.code == 0, done.output
    return done.output.strip()


def test_service_answers_requests_from_outside_its_network(run: Callable[..., NamespaceInstance]) -> None:
    instance = run()
    wait_until(lambda: is_ready(instance), "readiness")
    answer = instance.request("POST", "/score", body=b'{"a": 1, "b": 2}', headers={"x-a": "b"}, timeout=5)
    assert (answer.status, json.loads(answer.body)) == (200, {"predictions": [3]})
    assert answer.headers["content-type"] == "application/json"
    assert 0 < answer.seconds < 5


def test_two_containers_listen_on_one_port(run: Callable[..., NamespaceInstance]) -> None:
    one, other = run(), run()
    wait_until(lambda: is_ready(one) and is_ready(other), "readiness of both")
    one.remove()
    assert is_ready(other)


def test_first_process_is_the_image_s_program_as_the_chosen_user(run: Callable[..., NamespaceInstance]) -> None:
    instance = run()
    wait_until(lambda: "starting as 1 23456 0" in instance.logs(10), "the first line")


def test_every_privilege_is_gone(run: Callable[..., NamespaceInstance]) -> None:
    status = inside(run(), "print(open('/proc/1/status').read())")
    facts = {name: value.strip() for name, _, value in (line.partition(":") for line in status.splitlines())}
    assert facts["Uid"].split() == ["23456"] * 4
    assert facts["Gid"].split() == ["0"] * 4
    assert {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert facts["NoNewPrivs"] == "1"


def test_only_tmp_can_be_written(run: Callable[..., NamespaceInstance]) -> None:
    code = """
import os
def can_write(folder):
    try:
        open(folder + "/probe", "w").close()
        os.mkdir(folder + "/folder")
    except OSError:
        return False
    return True
folders = {name for name, _, _ in os.walk("/") if not name.startswith(("/proc/", "/sys/"))}
print(sorted(name for name in folders if can_write(name)))
"""
    instance = run()
    assert inside(instance, code) == "['/tmp']"
    assert instance.changes() == ()


def test_network_is_cut(run: Callable[..., NamespaceInstance]) -> None:
    code = """
import errno, socket
print([name for _, name in socket.if_nameindex()])
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print(errno.errorcode[error.errno])
"""
    assert inside(run(), code).split("\n") == ["['lo']", "ENETUNREACH"]


def test_host_is_out_of_sight(run: Callable[..., NamespaceInstance]) -> None:
    code = "import os; print([os.path.exists(p) for p in ('/home', '/dev/shm', '/dev/vda', '/root/.cache')])"
    instance = run()
    assert inside(instance, code) == "[False, False, False, False]"
    processes = inside(instance, "import os; print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit())[0])")
    assert processes == "1"


def test_localhost_has_its_name(run: Callable[..., NamespaceInstance]) -> None:
    assert inside(run(), "import socket; print(socket.gethostbyname('localhost'))") == "127.0.0.1"


def test_health_follows_the_image_s_own_check(run: Callable[..., NamespaceInstance]) -> None:
    instance = run()
    assert instance.health() in ("starting", "healthy")
    wait_until(lambda: instance.health() == "healthy", "health")


def test_health_turns_unhealthy_after_its_retries(run: Callable[..., NamespaceInstance]) -> None:
    check = Healthcheck(test=("CMD", "/no/such/probe"), interval=10, timeout=1, start_period=0, retries=2)
    instance = run(healthcheck=check)
    wait_until(lambda: instance.health() == "unhealthy", "unhealth")


def test_image_without_healthcheck_has_no_health(run: Callable[..., NamespaceInstance]) -> None:
    assert run(healthcheck=None).health() is None


def test_sigterm_ends_the_service_with_its_own_exit_code(run: Callable[..., NamespaceInstance]) -> None:
    instance = run()
    wait_until(lambda: is_ready(instance), "readiness")
    state = instance.stop(5)
    assert (state.code, state.was_killed_for_memory) == (0, False)
    assert state.seconds < 5


def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(run: Callable[..., NamespaceInstance]) -> None:
    instance = run(STUBBORN)
    wait_until(lambda: "ready" in instance.logs(1), "the program's start")
    state = instance.stop(0.2)
    assert state.code == 128 + signal.SIGKILL
    assert 0.2 <= state.seconds < 5


def test_death_is_reported_with_its_exit_code_and_last_lines(run: Callable[..., NamespaceInstance]) -> None:
    instance = run("import sys\nfor n in range(100): print('line', n)\nsys.exit(3)")
    wait_until(instance.exit_state, "the end")
    state = instance.exit_state()
    assert state is not None
    assert (state.code, state.was_killed_for_memory) == (3, False)
    assert instance.logs(2) == "line 98\nline 99\n"
    with pytest.raises(ConnectionError):
        instance.request("GET", "/livez", body=None, headers={}, timeout=1)


def test_too_much_memory_is_told_from_other_deaths(run: Callable[..., NamespaceInstance]) -> None:
    instance = run(ALLOCATE)
    wait_until(instance.exit_state, "the end")
    state = instance.exit_state()
    assert state is not None
    assert state.was_killed_for_memory
    assert instance.memory_kills() >= 1


def test_execute_reports_code_output_and_what_takes_too_long(run: Callable[..., NamespaceInstance]) -> None:
    instance = run()
    done = instance.execute([*tiny.PYTHON, "-c", "import sys; print('out'); sys.exit(4)"], timeout=20)
    assert (done.code, done.output) == (4, "out\n")
    assert instance.execute(["no-such-program"], timeout=5).code == 127
    with pytest.raises(EngineError, match="still ran"):
        instance.execute([*tiny.PYTHON, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_missing_program_is_an_error_that_names_it(run: Callable[..., NamespaceInstance]) -> None:
    with pytest.raises(EngineError, match="No such file") as caught:
        run(entrypoint=("/no/such/program",))
    assert caught.value.faults[0].at == "/no/such/program"


def test_missing_working_directory_is_an_error_that_names_it(run: Callable[..., NamespaceInstance]) -> None:
    with pytest.raises(EngineError, match="working directory") as caught:
        run(working_dir="/nowhere")
    assert caught.value.faults[0].at == "/nowhere"


def test_a_program_for_another_processor_is_named_as_such(store: BlobStore, python: Layer) -> None:
    image = tiny.image_of(python, store, tiny.SERVICE)
    alien = tiny.add_layer(store, tiny.tar_of({"alien": b"\x7fELF\0not for here"}, mode=0o755), "alien")
    config = replace(image.config, entrypoint=("/alien",), diff_ids=(*image.config.diff_ids, alien.diff_id))
    with pytest.raises(EngineError, match="another processor"):
        NamespaceRunner(store).start(Image(config=config, layers=(*image.layers, alien)), OPTIONS)


def test_second_run_unpacks_nothing(store: BlobStore, python: Layer) -> None:
    image = tiny.image_of(python, store, tiny.SERVICE + "\n# run twice")
    said: list[str] = []
    for _ in range(2):
        with closing_instance(NamespaceRunner(store, progress=said.append).start(image, OPTIONS)):
            pass
    assert len(said) == len(image.layers)


def test_a_layer_with_other_bytes_is_never_run(store: BlobStore, python: Layer) -> None:
    image = tiny.image_of(python, store, "print('what was locked')")
    path = store.path(image.layers[1].descriptor.digest)
    path.chmod(0o644)
    path.write_bytes(store.read(tiny.image_of(python, store, "print('something else')").layers[1].descriptor.digest))
    with pytest.raises(DigestMismatchError):
        NamespaceRunner(store).start(image, OPTIONS)


def test_a_program_can_read_the_limits_it_was_given(run: Callable[..., NamespaceInstance]) -> None:
    code = """
from pathlib import Path
names = ("memory.max", "memory/memory.limit_in_bytes")
print([int((Path("/sys/fs/cgroup") / name).read_text()) for name in names if (Path("/sys/fs/cgroup") / name).exists()])
"""
    instance = run()
    assert inside(instance, code) == (f"[{OPTIONS.memory}]" if instance._limits.memory else "[]")
    assert inside(instance, "import os; print(len(os.sched_getaffinity(0)))") == "1"


def test_environment_is_the_image_s_and_nothing_of_the_host_s(
    run: Callable[..., NamespaceInstance], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_HOST", "yes")
    instance = run(options=replace(OPTIONS, env={"EXTRA": "1"}))
    env = json.loads(inside(instance, "import json, os; print(json.dumps(dict(os.environ)))"))
    assert env.keys() == {"PATH", "HOME", "HOSTNAME", "LANG", "EXTRA"}


def test_remove_leaves_no_process_and_no_control_group(store: BlobStore, python: Layer) -> None:
    program = "import os, time\nos.fork()\ntime.sleep(600)  # token-of-remove"
    instance = NamespaceRunner(store).start(tiny.image_of(python, store, program), OPTIONS)
    assert instance._process is not None
    supervisor = instance._process.pid
    descriptors = open_descriptors()
    groups = instance._limits.groups
    wait_until(lambda: len(family(supervisor)) >= 3, "the fork")
    everyone = family(supervisor)
    instance.remove()
    instance.remove()
    assert not [pid for pid in everyone if Path(f"/proc/{pid}").exists()]
    assert not [group for group in groups if group.exists()]
    assert open_descriptors() < descriptors


def test_container_dies_with_whoever_started_it(store: BlobStore, python: Layer) -> None:
    starter = os.fork()
    if starter == 0:
        NamespaceRunner(store).start(tiny.image_of(python, store, tiny.SERVICE), OPTIONS)
        signal.pause()
    try:
        wait_until(lambda: len(family(starter)) >= 3, "the container")
        everyone = family(starter)
    finally:
        os.kill(starter, signal.SIGKILL)
        os.waitpid(starter, 0)
    wait_until(lambda: not [pid for pid in everyone if Path(f"/proc/{pid}").exists()], "the end of all")
    groups = [path for path in Path("/sys/fs/cgroup").rglob(f"modelkiln-{starter}-*") if path.is_dir()]
    assert groups == []


def test_container_dies_with_the_process_beside_it(run: Callable[..., NamespaceInstance]) -> None:
    instance = run()
    assert instance._process is not None
    wait_until(lambda: is_ready(instance), "readiness")
    assert instance._process is not None
    everyone = family(instance._process.pid)
    assert len(everyone) >= 2
    os.kill(instance._process.pid, signal.SIGKILL)
    instance._process.end(5)
    wait_until(lambda: not [pid for pid in everyone if Path(f"/proc/{pid}").exists()], "the end of all")
    with pytest.raises(EngineError, match="beside the container"):
        instance.health()


def test_an_ordinary_user_can_run_images_too(store: BlobStore, python: Layer) -> None:
    home = Path(tempfile.mkdtemp(prefix="kiln-user-"))
    try:
        home.chmod(0o755)
        # A Python and a copy of the package that any user may read, wherever this one lives.
        unpack_layers([python], store, home / "python", own=False)
        shutil.copytree(Path(builder.__file__).parent, home / "builder", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(Path(tiny.__file__), home)
        shutil.copytree(store.root / "blobs", home / "store" / "blobs")
        (home / "user.py").write_text(_AS_USER)
        grant(home)
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        interpreter = f"{home}/python{tiny.INTERPRETER}"
        code = tiny.add_layer(BlobStore(home / "store"), tiny.tar_of({"app/main.py": tiny.SERVICE.encode()}), "code")
        grant(home / "store")
        done = subprocess.run(
            [
                *become,
                interpreter,
                "-S",
                "-B",
                home / "user.py",
                json.dumps(describe(python)),
                json.dumps(describe(code)),
            ],
            env={
                "LD_LIBRARY_PATH": str(Path(f"{home}/python{tiny.INTERPRETER}").parents[1] / "lib"),
                "PATH": os.environ["PATH"],
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["uid"] == "31313 31313 31313 31313"
        assert result["gid"] == "0 0 0 0"
        assert result["capabilities"] == "0" * 16
        assert result["exit"] == 0
        assert result["hog"] == [137, True]
        assert "no seccomp filter" in result["unapplied"]
        assert any("owner" in text for text in result["unapplied"])
    finally:
        remove_tree(home)


_AS_USER = """
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
from pathlib import Path
import namespaces_image as tiny
from builder.engine.namespaces import NamespaceRunner
from builder.engine.runner import RunOptions
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.config import ImageConfig
from builder.oci.image import Image, Layer
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore

layers = tuple(
    Layer(descriptor=Descriptor.from_dict(one["descriptor"]), diff_id=Digest.parse(one["diff_id"]), title="")
    for one in map(json.loads, sys.argv[1:])
)
interpreter = sys._base_executable.removeprefix(here + "/python")
python = (interpreter, "-I", "-S", "-B")
def image(*entrypoint):
    config = ImageConfig(platform=Platform.parse("linux/amd64"), created=0, entrypoint=entrypoint, working_dir="/app",
                         diff_ids=tuple(layer.diff_id for layer in layers))
    return Image(config=config, layers=layers)
runner = NamespaceRunner(BlobStore(Path(here) / "store"))
instance = runner.start(image(*python, "/app/main.py"), RunOptions(memory=64 << 20, cpu=0.5, uid=31313))
try:
    while True:
        try:
            instance.request("GET", "/readyz", body=None, headers={}, timeout=2)
            break
        except ConnectionError:
            assert instance.exit_state() is None, instance.logs(20)
            time.sleep(0.02)
    text = instance.execute([*python, "-c", "print(open('/proc/1/status').read())"], timeout=10).output
    facts = {name: " ".join(value.split()) for name, _, value in (line.partition(":") for line in text.splitlines())}
    assert instance.changes() == ()
    ended = instance.stop(5)
    result = {"uid": facts["Uid"], "gid": facts["Gid"], "capabilities": facts["CapBnd"], "exit": ended.code}
finally:
    instance.remove()
hog = runner.start(image(*python, "-c", "import time; hog = bytearray(b'x' * (200 << 20)); time.sleep(60)"),
                   RunOptions(memory=64 << 20, cpu=0.5, uid=31313))
try:
    while not (state := hog.exit_state()):
        time.sleep(0.02)
    result["hog"] = [state.code, state.was_killed_for_memory]
finally:
    hog.remove()
print(json.dumps({**result, "unapplied": runner.unapplied}))
"""


def test_a_machine_that_allows_no_namespaces_is_told_what_to_do(store: BlobStore, python: Layer) -> None:
    # Inside a user namespace the limit on further ones can be set to none, without touching the machine's own.
    program = """
import sys
sys.path.insert(0, sys.argv[1])
import namespaces_image as tiny
from pathlib import Path
from builder.engine.namespaces import NamespaceRunner
from builder.engine.runner import RunOptions
from builder.errors import EngineUnavailableError
from builder.store.blobs import BlobStore
store = BlobStore(Path(sys.argv[2]))
blob = tiny.tar_of({"app/main.py": b""})
layer = tiny.add_layer(store, blob, "code")
try:
    NamespaceRunner(store).start(tiny.image_of(layer, store, ""), RunOptions(memory=1 << 26, cpu=1, uid=20000))
except EngineUnavailableError as error:
    print(error.render())
"""
    home = Path(tempfile.mkdtemp(prefix="kiln-refused-"))
    try:
        forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
        interpreter = [sys.executable, "-c", program, str(Path(tiny.__file__).parent), str(home)]
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh", *interpreter],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        remove_tree(home)
    assert "does not let this user make a container (namespaces)" in done.stdout, done.stderr
    assert "start Docker or Podman, run as root, or allow user namespaces" in done.stdout


def describe(layer: Layer) -> dict[str, object]:
    return {"descriptor": layer.descriptor.to_dict(), "diff_id": str(layer.diff_id)}


def grant(root: Path) -> None:
    if os.geteuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, 65534, 65534, follow_symlinks=False)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def family(ancestor: int) -> list[int]:
    """Return a process and all its descendants."""
    found, left = [], [ancestor]
    while left:
        pid = left.pop()
        found.append(pid)
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            continue
        left.extend(int(child) for child in children)
    return found


def closing_instance(instance: NamespaceInstance) -> closing[Closable]:
    return closing(Closable(instance))


class Closable:
    def __init__(self, instance: NamespaceInstance) -> None:
        self.close = instance.remove


def test_service_can_be_reached_by_a_plain_socket(run: Callable[..., NamespaceInstance]) -> None:
    instance = run()
    wait_until(lambda: is_ready(instance), "readiness")
    with instance.connect(5) as connection:
        assert isinstance(connection, socket.socket)
        connection.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.0 200"


def test_output_is_followed_from_its_first_line_to_its_last_however_long(
    run: Callable[..., NamespaceInstance],
) -> None:
    text = "é" * 100
    instance = run(f"for n in range(15000): print(n, {text!r})")
    lines = "".join(instance.follow()).splitlines()
    assert len(lines) == 15000  # three megabytes
    assert lines[0] == f"0 {text}"
    assert lines[-1] == f"14999 {text}"


def test_following_a_removed_container_ends(run: Callable[..., NamespaceInstance]) -> None:
    instance = run()
    instance.remove()
    assert list(instance.follow()) == []


_IN_CHROOT = """
import sys
sys.path.insert(0, "/kiln")
from pathlib import Path
import json
from builder.engine.namespaces import NamespaceRunner
from builder.engine.runner import RunOptions
from builder.errors import EngineUnavailableError
from builder.oci.config import ImageConfig
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Image, Layer
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore
one = json.loads(sys.argv[1])
layer = Layer(descriptor=Descriptor.from_dict(one["descriptor"]), diff_id=Digest.parse(one["diff_id"]), title="")
program = "import os; print(os.getpid(), os.path.exists('/proc/self'), os.path.exists('/kiln'))"
config = ImageConfig(platform=Platform.parse("linux/amd64"), created=0, diff_ids=(layer.diff_id,),
                     entrypoint=(sys.executable, "-I", "-S", "-B", "-c", program))
try:
    instance = NamespaceRunner(BlobStore(Path("/store"))).start(Image(config=config, layers=(layer,)),
                                                                RunOptions(memory=1 << 26, cpu=1, uid=20000))
    print("".join(instance.follow()))
    instance.remove()
except EngineUnavailableError as error:
    print(error.render())
"""


def in_chroot(unshare: list[str], python: Layer, store: BlobStore) -> str:
    """Run an image from inside a folder made a root, where that folder is no mount point; return what is said."""
    home = Path(tempfile.mkdtemp(prefix="kiln-chroot-"))
    try:
        root = home / "root"
        unpack_layers([python], store, root, own=False)
        shutil.copytree(
            Path(builder.__file__).parent, root / "kiln/builder", ignore=shutil.ignore_patterns("__pycache__")
        )
        blob = store.path(python.descriptor.digest).relative_to(store.root)
        (root / "store" / blob).parent.mkdir(parents=True)
        shutil.copy(store.root / blob, root / "store" / blob)
        for name in ("proc", "dev", "sys", "tmp"):
            (root / name).mkdir(exist_ok=True)
        mounts = " && ".join(f"mount --rbind /{name} {root}/{name}" for name in ("proc", "dev", "sys"))
        program = [tiny.INTERPRETER, "-S", "-B", "-c", _IN_CHROOT, json.dumps(describe(python))]
        done = subprocess.run(
            [*unshare, "sh", "-c", f'{mounts} && exec chroot "$@"', "sh", root, *program],
            env={"LD_LIBRARY_PATH": str(Path(tiny.INTERPRETER).parents[1] / "lib"), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
    finally:
        remove_tree(home)


def test_root_runs_images_in_a_chroot_and_users_are_told_that_it_is_one(store: BlobStore, python: Layer) -> None:
    users = in_chroot(["unshare", "--user", "--map-root-user", "--mount"], python, store)
    assert "no container can be made in this chroot (namespaces)" in users
    assert "start Docker or Podman, run as root" in users
    if os.geteuid() == 0:
        assert in_chroot(["unshare", "--mount"], python, store) == "1 True False\n\n"
