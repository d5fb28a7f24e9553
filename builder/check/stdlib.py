"""The standard library of a Python other than the one this runs on: which modules it has, and what became of others.

From ``sys.stdlib_module_names`` of each release (Python 3.9: its documentation), with "What's New" for what was
removed. Private modules are not listed one by one: no scoring code has a reason to import them.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from types import MappingProxyType


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMON = _words(
    """
    __future__ abc antigravity argparse array ast asyncio atexit base64 bdb binascii bisect builtins bz2 cProfile
    calendar cmath cmd code codecs codeop collections colorsys compileall concurrent configparser contextlib contextvars
    copy copyreg csv ctypes curses dataclasses datetime dbm decimal difflib dis doctest email encodings ensurepip enum
    errno faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt getpass gettext
    glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib importlib inspect io ipaddress itertools json
    keyword linecache locale logging lzma mailbox marshal math mimetypes mmap modulefinder msvcrt multiprocessing netrc
    nt ntpath nturl2path numbers opcode operator optparse os pathlib pdb pickle pickletools pkgutil platform plistlib
    poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random
    re readline reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site
    smtplib socket socketserver sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct
    subprocess symtable sys sysconfig syslog tabnanny tarfile tempfile termios test textwrap this threading time timeit
    tkinter token tokenize trace traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib
    uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xml xmlrpc zipapp zipfile zipimport zlib
    zoneinfo
    """
)

_FIRST: Mapping[str, int] = MappingProxyType({"tomllib": 11, "annotationlib": 14, "compression": 14})
"""Modules that came with a minor version later than 3.9."""

_REMOVED: Mapping[int, str] = MappingProxyType(
    {
        10: "formatter parser symbol",
        11: "binhex",
        12: "asynchat asyncore distutils imp smtpd",
        13: "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr "
        "spwd sunau telnetlib uu xdrlib",
    }
)

_WINDOWS = frozenset({"msilib", "msvcrt", "nt", "winreg", "winsound", "_winapi", "_msi", "_overlapped"})

_IN_INTERPRETER = _words(
    """
    array atexit audioop binascii builtins cmath errno faulthandler fcntl gc grp itertools marshal math mmap posix pwd
    pyexpat readline resource select spwd sys syslog termios time unicodedata xxsubtype zlib
    """
)
"""Modules that may be compiled into the interpreter, and so need no file of their own."""

_PYTHON_2: Mapping[str, str] = MappingProxyType(
    {
        "ConfigParser": "configparser",
        "HTMLParser": "html.parser",
        "Queue": "queue",
        "StringIO": "io",
        "Tkinter": "tkinter",
        "UserDict": "collections",
        "__builtin__": "builtins",
        "cPickle": "pickle",
        "cStringIO": "io",
        "commands": "subprocess",
        "copy_reg": "copyreg",
        "httplib": "http.client",
        "md5": "hashlib",
        "sets": "set",
        "thread": "_thread",
        "urllib2": "urllib.request",
        "urlparse": "urllib.parse",
        "xmlrpclib": "xmlrpc.client",
    }
)
"""Modules of Python 2 and what they are called now."""

_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "asynchat": "asyncio",
        "asyncore": "asyncio",
        "audioop": "the package audioop-lts",
        "binhex": "binascii",
        "cgi": "urllib.parse, or the package legacy-cgi",
        "crypt": "hashlib, or the package legacycrypt",
        "distutils": "shutil, sysconfig or packaging; or the package setuptools, which brings a distutils of its own",
        "imghdr": "the package filetype",
        "imp": "importlib",
        "lib2to3": "ast, or the package libcst",
        "pipes": "subprocess and shlex.quote",
        "telnetlib": "the package telnetlib3",
        "uu": "base64 or binascii",
    }
)

_ABSTRACT = _words(
    """
    AsyncGenerator AsyncIterable AsyncIterator Awaitable ByteString Callable Collection Container Coroutine Generator
    Hashable ItemsView Iterable Iterator KeysView Mapping MappingView MutableMapping MutableSequence MutableSet
    Reversible Sequence Set Sized ValuesView
    """
)

_MOVED: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        **{f"collections.{name}": (10, f"collections.abc.{name}") for name in _ABSTRACT},
        **{f"ast.{name}": (14, "ast.Constant") for name in ("Bytes", "Ellipsis", "NameConstant", "Num", "Str")},
        "asyncio.coroutine": (11, "async def"),
        "base64.decodestring": (9, "base64.decodebytes"),
        "base64.encodestring": (9, "base64.encodebytes"),
        "cgi.escape": (8, "html.escape"),
        "configparser.SafeConfigParser": (12, "configparser.ConfigParser"),
        "fractions.gcd": (9, "math.gcd"),
        "importlib.find_loader": (12, "importlib.util.find_spec"),
        "inspect.formatargspec": (11, "inspect.signature"),
        "inspect.getargspec": (11, "inspect.getfullargspec"),
        "locale.format": (12, "locale.format_string"),
        "pkgutil.find_loader": (14, "importlib.util.find_spec"),
        "pkgutil.get_loader": (14, "importlib.util.find_spec"),
        "platform.dist": (8, "the package distro"),
        "platform.linux_distribution": (8, "the package distro"),
        "ssl.wrap_socket": (12, "ssl.SSLContext.wrap_socket"),
        "time.clock": (8, "time.perf_counter"),
    }
)
"""Names that are gone since a minor version, and what took their place."""

_DEBIAN: Mapping[str, str] = MappingProxyType(
    {
        "distutils": "python3-distutils",
        "ensurepip": "python{python}-venv",
        "idlelib": "idle-python{python}",
        "lib2to3": "python3-lib2to3",
        "tkinter": "python3-tk",
        "turtledemo": "idle-python{python}",
    }
)

NOBODY_IMPORTS = frozenset({"antigravity", "this", "test", "idlelib", "turtledemo", "lib2to3", "pydoc_data", "turtle"})
"""Modules of the standard library that nothing in a service imports, so that hiding them does no harm."""


def stdlib_modules(python: str) -> AbstractSet[str]:
    """Return the top-level modules of a minor version such as ``3.11``, on Linux, without private ones."""
    return _modules(int(python.partition(".")[2]))


@cache
def _modules(minor: int) -> frozenset[str]:
    names = set(_COMMON - _WINDOWS)
    names |= {name for name, first in _FIRST.items() if first <= minor}
    for removed, text in _REMOVED.items():
        if minor < removed:
            names |= set(text.split())
    return frozenset(names - _WINDOWS)


def is_stdlib(module: str, python: str) -> bool:
    """Tell whether the first part of a dotted name belongs to the standard library; private modules are trusted to."""
    top = module.partition(".")[0]
    return top in stdlib_modules(python) or top in _PRIVATE


def is_file_in(module: str, base_modules: AbstractSet[str]) -> bool | None:
    """Tell whether a base holds the file of a standard module; None when that cannot be known.

    It cannot where the base is unknown, and for what may be compiled into the interpreter.
    """
    top = module.partition(".")[0]
    if not base_modules or top in _IN_INTERPRETER or top.startswith("_"):
        return None
    return top in base_modules or any(name.startswith(f"{top}.") for name in base_modules)


def whereabouts(module: str, python: str) -> str | None:
    """Tell why a name that looks like the standard library's is not there: ``was removed in Python 3.12``."""
    top = module.partition(".")[0]
    minor = int(python.partition(".")[2])
    if top in _WINDOWS:
        return "exists only on Windows"
    if top in _PYTHON_2:
        return "was one of Python 2"
    for removed, text in _REMOVED.items():
        if removed <= minor and top in text.split():
            return f"was removed in Python 3.{removed}"
    if _FIRST.get(top, 0) > minor:
        return f"came with Python 3.{_FIRST[top]}"
    return None


def instead(module: str) -> str | None:
    """Name what took the place of a module that was removed."""
    top = module.partition(".")[0]
    return _INSTEAD.get(top) or _PYTHON_2.get(top)


def moved_name(name: str, python: str) -> tuple[int, str] | None:
    """Return the minor version that took a name away, and what to use; None when it is there, or nothing is known."""
    moved = _MOVED.get(name)
    return moved if moved and moved[0] <= int(python.partition(".")[2]) else None


def is_of_python_2(module: str) -> bool:
    """Tell whether a module is one of Python 2, which code for both Pythons imports where it can."""
    return module.partition(".")[0] in _PYTHON_2


def debian_package(module: str, python: str) -> str | None:
    """Name the Debian package that holds a part of the standard library Debian packages apart."""
    template = _DEBIAN.get(module.partition(".")[0])
    return template.format(python=python) if template else None


_PRIVATE = _words(
    """
    _abc _aix_support _android_support _apple_support _ast _ast_unparse _asyncio _bisect _blake2 _bz2 _codecs
    _collections _collections_abc _colorize _compat_pickle _compression _contextvars _csv _ctypes _curses
    _curses_panel _datetime _dbm _decimal _elementtree _frozen_importlib _frozen_importlib_external _functools _gdbm
    _hashlib _heapq _hmac _imp _interpchannels _interpqueues _interpreters _io _json _locale _lsprof _lzma _markupbase
    _md5 _multibytecodec _multiprocessing _opcode _opcode_metadata _operator _pickle _posixshmem _posixsubprocess
    _py_abc _py_warnings _pydatetime _pydecimal _pyio _pylong _pyrepl _queue _random _remote_debugging _sha1 _sha2
    _sha256 _sha3 _sha512 _signal _sitebuiltins _socket _sqlite3 _sre _ssl _stat _statistics _string _strptime _struct
    _suggestions _symtable _sysconfig _sysconfigdata _thread _threading_local _tkinter _tokenize _tracemalloc _types
    _typing _uuid _warnings _weakref _weakrefset _zoneinfo _zstd __main__
    """
)
