"""Code of other libraries' classes that runs while their objects are unpickled, however it got there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from check_subjects import make_subject
from pickle_assembler import Made, Raw, assemble, name, pickled

from builder.check.finding import Finding
from builder.check.pickles import find_pickles

RUNNING = """
import os, sys
from functools import total_ordering
from dataclasses import dataclass
from attr import define
from pydantic.dataclasses import dataclass as checked
from tool.other import late, marked, Registry, unknown
from missing import away
def run(self, state): os.system(state["x"])
def helper(cls): cls.__setstate__ = run
def decorated(cls):
    helper(cls)
    return cls
def text(cls):
    setattr(cls, "__del__", run)
    return cls
def derived(cls):
    class Derived(cls):
        def __setstate__(self, state): os.system(state["x"])
    return Derived
class Meta(type):
    def __new__(kind, name, bases, body):
        body["__setstate__"] = run
        return super().__new__(kind, name, bases, body)
class Keyed(type):
    def __init__(cls, name, bases, body): type.__init__(cls, name, bases, dict(__del__=run))
class Parent:
    def __init_subclass__(cls): cls.__setstate__ = run

@decorated
class Hook1: ...
@text
class Hook2: ...
@derived
class Hook3: ...
class Hook4(metaclass=Meta): ...
class Hook5(metaclass=Keyed): ...
class Hook6(Parent): ...
class Hook7: ...
class Hook8: ...
for kind in (Hook7, Hook8):
    kind.__setstate__ = run
class Hook9:
    def __getattr__(self, name): return lambda state: os.system(state["x"])
class Hook10:
    def __getattr__(self, name): return getattr(os, name)
class Hook11:
    def __getattribute__(self, name): return run
class Hook12:
    __getattr__ = run
class Hook13:
    def __getattr__(self, name): return self.make(name)
@late(1)
class Hook14: ...
@unknown
class Hook15: ...
@away
class Hook16: ...
@decorators[0]
class Hook17: ...
class Hook18(with_metaclass(Meta, object)): ...
class Hook19: ...
def patch(): Hook19.__setstate__ = run
patch()
class Hook20: ...
Hook20 = decorated(Hook20)
class Hook21:
    def __setstate__(self, state):
        state.setdefault("window", run(self, state))
        self.__dict__.update(state)
"""
QUIET = '''
import os
def run(self, state): os.system(state["x"])
def named(cls):
    """Says what it does."""
    cls.title = cls.__name__
    return cls
class Titled(type):
    def __new__(kind, name, bases, body): return super().__new__(kind, name, bases, body)
    def __setattr__(cls, name, value): raise AttributeError(name)
class Counted:
    def __init_subclass__(cls): cls.count = 0
def unused(cls): cls.__setstate__ = run
@named
@dataclass(frozen=True)
@total_ordering
class Fine1: ...
class Fine2(Counted, metaclass=Titled): ...
class Fine3:
    def __getattr__(self, name):
        """Looks up in the model."""
        if name.startswith("__") or name in self.away: raise AttributeError(name)
        return make(self, name)
class Fine4:
    def __getattr__(self, name):
        found = getattr(self.model, name)
        return found if found else self.__dict__[name]
class Fine5:
    def __getattr__(self, name): return super().__getattr__(name)
@define
class Fine6: ...
@checked
class Fine7: ...
@marked
class Fine8(Registry): ...
class Fine9:
    def install(self): self.__setstate__ = run
def logs():
    Fine10.__getattribute__ = run
class Fine10: ...
class Fine11:
    def __setstate__(self, state):
        state.setdefault("window", None)
        self.__dict__.update(state)
'''
HEAD = RUNNING[: RUNNING.index("def run")]
CONTAINERS = """
import os
class Appends(list):
    def append(self, value): os.system(value)
class Extends(list):
    def extend(self, values): os.system(values)
class Items(dict):
    def __setitem__(self, key, value): os.system(value)
class Adds(set):
    def add(self, value): os.system(value)
class Quiet(dict):
    def __setitem__(self, key, value):
        if not isinstance(key, str): raise TypeError(key)
        super().__setitem__(key, value)
class Hashes:
    def __hash__(self): return os.system(self.x)
class Equals:
    def __eq__(self, other): return os.system(self.x)
class Point:
    def __hash__(self): return hash((self.x, self.y))
    def __eq__(self, other): return isinstance(other, Point) and self.x == other.x
class Unhashable:
    __hash__ = None
"""
WHEEL = {
    "tool/__init__.py": "",
    "tool/running.py": RUNNING,
    "tool/quiet.py": HEAD + QUIET,
    "tool/containers.py": CONTAINERS,
    "tool/other.py": (
        "def late(times):\n    def decorate(cls):\n        cls.__del__ = close\n"
        "        return cls\n    return decorate\n"
        "def marked(cls):\n    cls.mark = 1\n    return cls\nclass Registry: ...\n"
    ),
}


def check(tmp_path: Path, value: Any) -> list[Finding]:
    subject = make_subject(tmp_path, files={"m.pkl": pickled(value)}, wheels={"tool": ("1.0", WHEEL)})
    return list(find_pickles(subject))


@pytest.mark.parametrize("number", range(1, RUNNING.count("\nclass Hook") + 1))
def test_a_class_that_was_given_code_is_refused(tmp_path: Path, number: int) -> None:
    (finding,) = check(tmp_path, name(f"tool.running.Hook{number}").new().build({"x": "id"}))
    assert finding.rule.id == "KILN301"
    assert "runs code of its own that nobody vouches for" in finding.message


@pytest.mark.parametrize("number", range(1, QUIET.count("\nclass Fine") + 1))
def test_a_class_that_was_given_something_else_is_not(tmp_path: Path, number: int) -> None:
    assert check(tmp_path, name(f"tool.quiet.Fine{number}").new().build({"x": "id"})) == []


def of(kind: str) -> Made:
    return name(f"tool.containers.{kind}").new()


def filled(kind: str, *items: bytes) -> Raw:
    return Raw(assemble(of(kind)) + b"".join(items))


ITEM = assemble("id")


@pytest.mark.parametrize(
    "value",
    [
        filled("Appends", ITEM, b"a"),
        filled("Appends", b"(", ITEM, b"e"),
        filled("Extends", b"(", ITEM, b"e"),
        filled("Items", ITEM, ITEM, b"s"),
        filled("Items", b"(", ITEM, ITEM, b"u"),
        filled("Adds", b"(", ITEM, b"\x90"),
    ],
)
def test_code_that_runs_when_an_object_is_filled_is_refused(tmp_path: Path, value: Raw) -> None:
    assert [finding.rule.id for finding in check(tmp_path, value)] == ["KILN301"]


@pytest.mark.parametrize(
    "value",
    [filled("Extends", ITEM, b"a"), filled("Quiet", ITEM, ITEM, b"s"), filled("Items", b"(", ITEM, b"e"), of("Items")],
)
def test_objects_that_run_nothing_by_it_may_be_filled(tmp_path: Path, value: Any) -> None:
    assert check(tmp_path, value) == []


def keys(value: Any) -> list[Any]:
    """Every way of making something a key or a member."""
    code = assemble(value)
    return [
        Raw(b"}" + code + b"Ns"),
        Raw(b"}(" + code + b"Nu"),
        Raw(b"(" + code + b"Nd"),
        Raw(b"\x8f(" + code + b"\x90"),
        Raw(b"(" + code + b"\x91"),
        Raw(assemble(name("collections.OrderedDict")()) + code + b"Ns"),
        *(name(f"builtins.{kind}")([value]) for kind in ("set", "frozenset")),
        *(name(path)([(value, 1)]) for path in ("builtins.dict", "collections.OrderedDict")),
        name("collections.Counter")([value]),
    ]


@pytest.mark.parametrize(
    "key", [of("Hashes"), of("Equals"), (1, (of("Hashes"), 2)), of("Point").build({"x": of("Hashes")})]
)
def test_code_that_runs_when_an_object_becomes_a_key_is_refused(tmp_path: Path, key: Any) -> None:
    for number, value in enumerate(keys(key)):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert [finding.rule.id for finding in check(folder, value)] == ["KILN301"], value


@pytest.mark.parametrize(
    "key", [of("Point").build({"x": 1}), ("a", 1), (("a", "b"), 1), of("Unhashable"), name("numpy.float64")]
)
def test_keys_that_run_nothing_are_keys(tmp_path: Path, key: Any) -> None:
    for number, value in enumerate(keys(key)):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert check(folder, value) == [], value


def test_an_object_that_is_no_key_may_say_how_it_is_hashed(tmp_path: Path) -> None:
    assert check(tmp_path, {"model": of("Hashes").build({"x": 1})}) == []


def test_a_key_without_end_is_refused(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, keys(of("Point").build(list(range(2000))))[0])
    assert "very large" in finding.message
