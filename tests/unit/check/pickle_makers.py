"""Hostile pickles, written opcode by opcode; none of them is ever loaded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import zipfile
import zlib


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def stack_global(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def call(module: str, name: str, *args: str) -> bytes:
    """``module.name(*args)`` by STACK_GLOBAL and REDUCE, without PROTO and STOP."""
    return stack_global(module, name) + b"(" + b"".join(map(text, args)) + b"tR"


def program(body: bytes, protocol: int = 4) -> bytes:
    return b"\x80" + bytes([protocol]) + body + b"."


SHELL = "echo hidden"

# Each is a way some scanner was, or could be, passed by.
HOSTILE: dict[str, bytes] = {
    "os.system by GLOBAL": b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00echotR.",
    "os.system by GLOBAL in protocol 0": b"cos\nsystem\n(S'echo'\ntR.",
    "posix.system": program(call("posix", "system", SHELL)),
    "nt.system": program(call("nt", "system", SHELL)),
    "os.system by INST": b"(S'echo'\nios\nsystem\n.",
    "os.system by OBJ": program(b"(" + stack_global("os", "system") + text(SHELL) + b"o"),
    "os.system by STACK_GLOBAL": program(call("os", "system", SHELL)),
    "os.system by NEWOBJ": program(stack_global("os", "system") + b"(" + text(SHELL) + b"t\x81"),
    "os.system by NEWOBJ_EX": program(stack_global("os", "system") + b"(" + text(SHELL) + b"t}\x92"),
    "names from the memo": program(
        text("system") + b"q\x000" + text("os") + b"q\x010" + b"h\x01h\x00\x93(" + text(SHELL) + b"tR"
    ),
    "names from the memo at high places": program(
        text("system") + b"r\xff\xff\x00\x000" + text("os") + b"j\xff\xff\x00\x00\x93(" + text(SHELL) + b"tR"
    ),
    "names from a computed string": program(
        stack_global("builtins", "str") + b"(" + text("os") + b"tR" + text("system") + b"\x93(" + text(SHELL) + b"tR"
    ),
    "names as old strings": b"U\x02osU\x06system\x93(U\x04echotR.",
    "escaped text": b"V\\u006f\\u0073\nV\\u0073ystem\n\x93(V\\u0065cho\ntR.",
    "a dotted name": program(call("sklearn", "base.os.system", SHELL)),
    "a dotted module of a package": program(call("sklearn.utils.os", "system", SHELL)),
    "Python 2 names": b"c__builtin__\neval\n(S'1'\ntR.",
    "commands": b"ccommands\ngetoutput\n(S'echo'\ntR.",
    "eval": program(call("builtins", "eval", "1")),
    "exec": program(call("builtins", "exec", "1")),
    "compile": program(call("builtins", "compile", "1", "", "eval")),
    "__import__": program(call("builtins", "__import__", "os")),
    "getattr chain": program(
        stack_global("builtins", "getattr")
        + b"("
        + call("builtins", "__import__", "os")
        + text("system")
        + b"tR("
        + text(SHELL)
        + b"tR"
    ),
    "globals": program(stack_global("builtins", "globals") + b")R"),
    "open": program(call("builtins", "open", "/tmp/x", "w")),
    "_io.open": program(call("_io", "open", "/tmp/x", "w")),
    "_io.FileIO": program(call("_io", "FileIO", "/tmp/x", "w")),
    "breakpoint": program(stack_global("builtins", "breakpoint") + b")R"),
    "subprocess.Popen": program(call("subprocess", "Popen", "echo")),
    "subprocess.check_output": program(call("subprocess", "check_output", "echo")),
    "pty.spawn": program(call("pty", "spawn", "sh")),
    "runpy": program(call("runpy", "run_path", "x.py")),
    "pip.main": program(call("pip", "main", "install")),
    "pip._internal": program(call("pip._internal.cli.main", "main", "install")),
    "pydoc.pipepager": program(call("pydoc", "pipepager", "x", SHELL)),
    "pydoc.locate": program(call("pydoc", "locate", "os.system")),
    "numpy runstring": program(call("numpy.testing._private.utils", "runstring", "1", "")),
    "numpy f2py": program(call("numpy.f2py.crackfortran", "getlincoef", "1", "")),
    "numpy load": program(call("numpy", "load", "x.npy")),
    "numpy fromfile": program(call("numpy", "fromfile", "/etc/passwd")),
    "numpy distutils": program(call("numpy.distutils.exec_command", "exec_command", "echo")),
    "torch unserialised": program(call("torch.utils.collect_env", "run", "echo")),
    "torch dynamo": program(call("torch._dynamo.guards", "GuardBuilder.get", "1")),
    "torch load": program(call("torch.serialization", "load", "x.pt")),
    "torch inductor": program(call("torch._inductor.codecache", "compile_file", "x")),
    "torch rebuilt from any type": program(
        stack_global("torch._tensor", "_rebuild_from_type_v2")
        + b"("
        + stack_global("torch.storage", "_load_from_bytes")
        + b"N)NtR"
    ),
    "joblib load": program(call("joblib", "load", "x")),
    "joblib memory": program(call("joblib.memory", "eval", "1")),
    "joblib old array": program(stack_global("joblib.numpy_pickle_compat", "NDArrayWrapper") + b")\x81}b"),
    "sklearn joblib": program(call("sklearn.externals.joblib", "load", "x")),
    "sklearn imported name": program(call("sklearn.utils.fixes", "os", "x")),
    "sklearn dataset": program(call("sklearn.datasets._base", "load_files", "/")),
    "pandas eval": program(call("pandas.core.computation.eval", "eval", "1")),
    "pandas read_pickle": program(call("pandas.io.pickle", "read_pickle", "x")),
    "pandas query": program(call("pandas", "read_pickle", "x")),
    "scipy distribution": program(
        stack_global("scipy.stats._continuous_distns", "norm_gen")
        + b")\x81}"
        + text("_parse_arg_template")
        + text("1")
        + b"sb"
    ),
    "operator.attrgetter": program(call("operator", "attrgetter", "system")),
    "operator.methodcaller": program(call("operator", "methodcaller", "system", "echo")),
    "functools.partial": program(
        stack_global("functools", "partial") + b"(" + stack_global("builtins", "print") + b"tR"
    ),
    "functools.reduce": program(call("functools", "reduce", "x", "y")),
    "itertools.starmap": program(call("itertools", "starmap", "x", "y")),
    "map": program(call("builtins", "map", "x", "y")),
    "bdb": program(call("bdb", "Bdb.run", "1")),
    "pdb": program(call("pdb", "run", "1")),
    "cProfile.run": program(call("cProfile", "run", "1")),
    "profile.run": program(call("profile", "run", "1")),
    "timeit": program(call("timeit", "timeit", "1")),
    "trace": program(call("trace", "Trace.run", "1")),
    "code.InteractiveInterpreter": program(call("code", "InteractiveInterpreter.runcode", "1")),
    "codeop": program(call("codeop", "compile_command", "1")),
    "types.CodeType": program(call("types", "CodeType", "1")),
    "types.FunctionType": program(call("types", "FunctionType", "1")),
    "marshal": program(call("marshal", "loads", "1")),
    "pickle.loads": program(call("pickle", "loads", "1")),
    "_pickle.loads": program(call("_pickle", "loads", "1")),
    "cloudpickle": program(call("cloudpickle.cloudpickle", "_make_function", "1")),
    "dill": program(call("dill._dill", "_create_function", "1")),
    "importlib": program(call("importlib", "import_module", "os")),
    "imp": program(call("imp", "load_source", "x", "x.py")),
    "ctypes": program(call("ctypes", "CDLL", "libc.so.6")),
    "shutil": program(call("shutil", "rmtree", "/tmp/x")),
    "webbrowser": program(call("webbrowser", "open", "x")),
    "socket": program(stack_global("socket", "socket") + b")R"),
    "asyncio": program(call("asyncio.unix_events", "_UnixSubprocessTransport._start", "x")),
    "multiprocessing": program(call("multiprocessing.util", "spawnv_passfds", "x")),
    "idlelib": program(call("idlelib.run", "Executive.runcode", "1")),
    "lib2to3": program(call("lib2to3.pgen2.pgen", "ParserGenerator.make_label", "1")),
    "doctest": program(call("doctest", "debug_script", "1")),
    "unittest mock": program(call("unittest.mock", "_importer", "os")),
    "logging config": program(call("logging.config", "_resolve", "os.system")),
    "copyreg.add_extension": program(
        stack_global("copyreg", "add_extension")
        + b"("
        + text("os")
        + text("system")
        + b"K\x01tR0\x82\x01("
        + text(SHELL)
        + b"tR"
    ),
    "an extension code": program(b"\x82\x01(" + text(SHELL) + b"tR"),
    "a wide extension code": program(b"\x84\x01\x00\x00\x00"),
    "copyreg of a class": program(
        stack_global("copyreg", "__newobj__") + b"(" + stack_global("subprocess", "Popen") + text("x") + b"tR"
    ),
    "copyreg makes a class": program(
        stack_global("copyreg", "__newobj__") + b"(" + stack_global("builtins", "type") + text("X") + b")}tR"
    ),
    "type makes a class": program(stack_global("builtins", "type") + b"(" + text("X") + b")}tR"),
    "_codecs of another kind": program(call("_codecs", "encode", "x", "rot13")),
    "_codecs.decode": program(call("_codecs", "decode", "x", "zip")),
    "a factory": program(stack_global("collections", "defaultdict") + b"(" + stack_global("os", "getcwd") + b"tR"),
    "a factory of an object": program(
        stack_global("collections", "defaultdict") + b"(" + stack_global("collections", "OrderedDict") + b")RtR"
    ),
    "numpy's generator constructor": program(
        stack_global("numpy.random._pickle", "__randomstate_ctor")
        + b"("
        + text("MT19937")
        + stack_global("builtins", "print")
        + b"tR"
    ),
    "numpy's generator of any class": program(
        stack_global("numpy.random._pickle", "__bit_generator_ctor")
        + b"("
        + stack_global("collections", "OrderedDict")
        + b"tR"
    ),
    "numpy's ufunc of any module": program(call("numpy.core", "_ufunc_reconstruct", "os", "system")),
    "numpy's array of another class": program(
        stack_global("numpy.core.multiarray", "_reconstruct")
        + b"("
        + stack_global("collections", "OrderedDict")
        + b")"
        + text("b")
        + b"tR"
    ),
    "a state for a class": program(
        stack_global("collections", "OrderedDict") + b"}" + text("__reduce__") + text("x") + b"sb"
    ),
    "slots that change the class": program(
        stack_global("collections", "OrderedDict") + b")RN}" + text("__class__") + text("x") + b"s\x86b"
    ),
    "calling what was made": program(stack_global("collections", "OrderedDict") + b")R)R"),
    "calling text": program(text("os.system") + b")R"),
    "a call in a popped object": program(call("os", "system", SHELL) + b"0N"),
    "a call in a popped mark": program(b"(" + call("os", "system", SHELL) + b"1N"),
    "a call that is only remembered": program(call("os", "system", SHELL) + b"q\x000N"),
    "a persistent object": program(text("x") + b"Q"),
    "a persistent name": b"Px\n.",
    "broken after the payload": b"\x80\x04" + call("os", "system", SHELL) + b"\xff\xff",
    "truncated after the payload": b"\x80\x04" + call("os", "system", SHELL),
    "stacked after STOP": program(b"N") + program(call("os", "system", SHELL)),
    "stacked after many": program(b"N") * 9 + program(call("os", "system", SHELL)),
    "carriage returns": b"\x80\x02cos\r\nsystem\r\n(tR.",
    "a module with a space": b"\x80\x02cos \nsystem\n(tR.",
    "a name in another alphabet": program(call("\uff4f\uff53", "\uff53\uff59\uff53\uff54\uff45\uff4d", SHELL)),
    "a function of an invented module": program(call("models", "make", "x")),
    "the training script": program(stack_global("__main__", "Model") + b")\x81"),
    "a frame that hides": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00" + call("os", "system", SHELL) + b".",
    "a frame that is too long": b"\x80\x04\x95\xff\xff\x00\x00\x00\x00\x00\x00" + call("os", "system", SHELL) + b".",
    "a second protocol": b"\x80\x04\x80\x02" + call("os", "system", SHELL) + b".",
    "a wrong protocol": b"\x80\x06" + call("os", "system", SHELL) + b".",
    "an unusual number": b"I0x10\n0" + call("os", "system", SHELL) + b".",
    "a negative index": b"\x80\x02Np-1\n0" + call("os", "system", SHELL) + b".",
}


def wrapper(*, dtype: str, flags: int, state: bytes = b"", alignment: bool = True, shape: bytes = b"(K\x01t") -> bytes:
    """A NumpyArrayWrapper of joblib's, up to and with its BUILD."""
    kind = (
        stack_global("numpy", "dtype") + b"(" + text(dtype) + b"\x89\x88tR(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK" + bytes([flags]) + b"tb"
    )
    return (
        stack_global("joblib.numpy_pickle", "NumpyArrayWrapper")
        + b")\x81}("
        + text("subclass")
        + stack_global("numpy", "ndarray")
        + text("shape")
        + shape
        + text("order")
        + text("C")
        + text("dtype")
        + kind
        + text("allow_mmap")
        + b"\x89"
        + (text("numpy_array_alignment_bytes") + b"K\x10" if alignment else b"")
        + state
        + b"ub"
    )


def object_array(items: bytes) -> bytes:
    """What numpy pickles of an array of objects."""
    kind = (
        stack_global("numpy", "dtype") + b"(" + text("O8") + b"\x89\x88tR(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x3ftb"
    )
    return (
        stack_global("numpy._core.multiarray", "_reconstruct")
        + b"("
        + stack_global("numpy", "ndarray")
        + b"K\x00\x85C\x01btR(K\x01K\x01\x85"
        + kind
        + b"\x89]("
        + items
        + b"etb"
    )


PAYLOAD = call("os", "system", SHELL)

ARRAYS: dict[str, bytes] = {
    "in a pickled array of objects": program(object_array(PAYLOAD)),
    "in joblib's array of objects": program(wrapper(dtype="O8", flags=0x3F) + program(object_array(PAYLOAD), 5)),
    "in joblib's array, as another pickle": program(wrapper(dtype="O8", flags=0x3F) + program(PAYLOAD, 5)),
    "behind joblib's array": program(wrapper(dtype="i1", flags=0) + b"\x01\xff*" + PAYLOAD),
    "in the bytes of an array without padding": program(
        wrapper(dtype="V64", flags=0, alignment=False).replace(b"NNNJ\xff\xff\xff\xff", b"NNNK\x40", 1)
        + (PAYLOAD + b".").ljust(64, b"N")
    ),
    "in the bytes of plain numbers": program(
        wrapper(dtype="i1", flags=0, alignment=False, shape=b"(K\x40t") + (PAYLOAD + b".").ljust(64, b"N")
    ),
    "in the padding": program(wrapper(dtype="i1", flags=0) + bytes([len(PAYLOAD)]) + PAYLOAD + b"*"),
    "numbers said to be objects": program(wrapper(dtype="i1", flags=0x3F) + b"\x01\xff*"),
    "objects said to be numbers": program(wrapper(dtype="O8", flags=0) + b"\x01\xff" + b"*" * 8),
    "a wrapper with another size": program(
        wrapper(dtype="S9", flags=0).replace(b"NNNJ\xff\xff\xff\xff", b"NNNK\x01", 1) + b"\x01\xff*"
    ),
}


def zipped(members: dict[str, bytes], *, method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def zipped_twice(name: str, first: bytes, second: bytes) -> bytes:
    """An archive with two members of one name."""
    content = zipped({name: first, "x" * len(name): second})
    return content.replace(b"x" * len(name), name.encode())


def with_flipped_crc(content: bytes) -> bytes:
    """The same archive, its first member's checksum wrong in both places."""
    local = content.index(b"PK\x03\x04") + 14
    central = content.index(b"PK\x01\x02") + 16
    changed = bytearray(content)
    changed[local] ^= 0xFF
    changed[central] ^= 0xFF
    return bytes(changed)


def compressed(content: bytes) -> dict[str, bytes]:
    return {
        "zlib": zlib.compress(content),
        "gzip": gzip.compress(content),
        "bz2": bz2.compress(content),
        "xz": lzma.compress(content),
        "lzma": lzma.compress(content, lzma.FORMAT_ALONE),
        "lz4": b"\x04\x22\x4d\x18\x60\x40\x82" + struct.pack("<I", len(content) | 0x80000000) + content + b"\0\0\0\0",
        "two gzip members": gzip.compress(content[:9]) + gzip.compress(content[9:]),
        "two zlib streams": zlib.compress(content[:9]) + zlib.compress(content[9:]),
        "zlib in gzip": gzip.compress(zlib.compress(content)),
    }


PLAIN = pickle.dumps({"weights": [1.0, 2.0]})
