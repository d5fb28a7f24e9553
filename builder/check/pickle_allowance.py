"""Judges what following a pickle found: each global, each call, each state, against the allow-list and the wheels."""

from __future__ import annotations

import _compat_pickle
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from builder.check.pickle_arrays import is_array_reader
from builder.check.pickle_bases import trace_ancestry
from builder.check.pickle_classes import Definition, Definitions, Kind
from builder.check.pickle_filling import CALLED, METHODS, PLAIN, find_answer, find_odd_attribute, hashed, keys_of
from builder.check.pickle_grants import Grant, Use, lookup
from builder.check.pickle_hooks import HASHING
from builder.check.pickle_others import FRAME_CLASSES
from builder.check.pickle_reading import Build, Call, Event, Fill, Hash, Keep, Outside
from builder.check.pickle_refusals import TRUSTED_ONLY, find_refusal
from builder.check.pickle_tables import FAMILIES, MOVED, NEVER_WHOLE, TABLE
from builder.check.pickle_values import Global, Instance, Mapping, OldText, Persistent, Value, note_given


class Judgement(Enum):
    """What is thought of something."""

    ALLOWED = "allowed"
    AUTHOR = "author"
    """A class or a function of the bundle's own modules."""
    UNKNOWN = "unknown"
    """It is of another library, whose wheel is needed to tell."""
    MISSING = "missing"
    """It would be allowed, but the locked distribution does not have it."""
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is thought of a global, and what may be done with it."""

    judgement: Judgement
    grant: Grant | None = None
    reason: str = ""
    remedy: str = ""
    """Empty when there is nothing to say that is not said of every such finding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Objection:
    """Something in a pickle that is not plainly allowed."""

    judgement: Judgement
    offset: int
    subject: str
    """The global, or the opcode."""
    reason: str
    remedy: str = ""
    """As in the verdict."""


_CAPITALISED = re.compile(r"_*[A-Z]\w*(?:\._*[A-Z]\w*)*")
_REBUILDS = re.compile(r"__pyx_unpickle_\w+|newObj")
_DUNDER = re.compile(r"__\w+__")


class Allowance:
    """The allow-list as it stands for one bundle: with the distributions that are locked and the author's modules."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._verdicts: dict[tuple[str, str], Verdict] = {}

    def judge(self, events: Iterable[Event], *, is_torch: bool = False) -> Iterator[Objection]:
        """Yield what is not allowed, and what is the author's own; each global once, where it is first named."""
        seen: set[tuple[str, str, str]] = set()
        for event in events:
            for objection in self._objections(event, is_torch=is_torch):
                key = (str(objection.judgement), objection.subject, objection.reason)
                if key not in seen:
                    seen.add(key)
                    yield objection

    def verdict(self, module: str, name: str) -> Verdict:
        """Return what may be done with a global."""
        key = (module, name)
        if key not in self._verdicts:
            self._verdicts[key] = self._decide(module, name)
        return self._verdicts[key]

    def knows(self, module: str) -> bool:
        """Tell whether a module could be imported from the wheels or the scoring code."""
        return self._definitions.exists(module)

    def _objections(self, event: Event, *, is_torch: bool) -> Iterator[Objection]:
        if isinstance(event, Global):
            verdict = self.verdict(event.module, event.name)
            if verdict.judgement is not Judgement.ALLOWED:
                yield Objection(
                    judgement=verdict.judgement,
                    offset=event.offset,
                    subject=str(event),
                    reason=verdict.reason,
                    remedy=verdict.remedy,
                )
            return
        if isinstance(event, Call):
            reason = self._call(event)
            note_given(event.instance.args)
            subject = _shown(event.instance.callee)
        elif isinstance(event, Build):
            reason = None if self._is_refused(event.target) else find_odd_attribute(event) or self._state(event)
            note_given(event.state)
            subject = _shown(event.target)
        elif isinstance(event, Fill):
            odd = None if self._is_fillable(event) else f"{event.opcode} calls a method of it"
            reason = odd or find_answer(event)
            subject = _shown(event.target)
        elif isinstance(event, Keep):
            grant = self.verdict(event.kept.module, event.kept.name).grant
            reason = None if grant is None or grant.is_value else "it is kept as a value, where anybody may call it"
            subject = str(event.kept)
        elif isinstance(event, Hash):
            reason = self._hash(event.key)
            subject = _shown(event.key) if isinstance(event.key, Instance) else event.opcode
        else:
            reason = None if is_torch and _is_storage(event.persistent) else _OUTSIDE
            subject = "BINPERSID"
        if reason is not None:
            refusal = find_refusal(subject)
            yield Objection(
                judgement=Judgement.REFUSED,
                offset=event.offset,
                subject=subject,
                reason=reason,
                remedy="" if refusal is None else refusal.remedy,
            )

    def _call(self, event: Call) -> str | None:
        instance = event.instance
        callee = instance.callee
        if not isinstance(callee, Global):
            return None if self._is_refused(callee) else f"{event.opcode} calls something that is no named global"
        verdict = self.verdict(callee.module, callee.name)
        if verdict.grant is None or verdict.judgement is Judgement.MISSING:
            return None  # it was objected to where it was named
        if instance.is_call and event.opcode in ("INST", "OBJ") and not instance.args:
            # Without arguments a class is not called, unless it asks to be (__getinitargs__).
            needed = Use.MADE
        else:
            needed = Use.CALLED if instance.is_call else Use.MADE
        if callee.module != "copyreg" and any(is_array_reader(value) for value in instance.args):
            return "it is given what joblib reads arrays by"
        if verdict.grant.use < needed:
            return f"{event.opcode} calls it, and a model only needs {_USES[verdict.grant.use]}"
        if verdict.grant.check is not None:
            wrong = verdict.grant.check(instance)
            if wrong is not None:
                return None if instance.args and self._is_refused(instance.args[0]) else wrong
        if callee.module == "copyreg" or _helps(callee):
            return self._made(instance)
        return next(filter(None, map(self._hash, keys_of(instance))), None)

    def _hash(self, key: Value) -> str | None:
        """Being made a key runs two methods of an object, and of those in it."""
        parts = hashed(key)
        if parts is None:
            return "it makes something very large a key"
        odd = [part for part in parts if self._quirks(part) & HASHING]
        return f"as a key, {_shown(odd[0])} runs code of its own that nobody vouches for" if odd else None

    def _quirks(self, instance: Instance) -> frozenset[str]:
        made = _class_of(instance)
        grant = None if made is None else self.verdict(made.module, made.name).grant
        return frozenset() if grant is None else grant.quirks

    def _is_refused(self, value: Value) -> bool:
        """Tell whether a value was made by what was objected to where it was named; what is done to it says no more."""
        made = _class_of(value) if isinstance(value, Instance) else None
        if made is None:
            return False
        verdict = self.verdict(made.module, made.name)
        return verdict.judgement is Judgement.REFUSED and verdict.grant is None

    def _made(self, instance: Instance) -> str | None:
        """Through a helper a class is made that must itself be one that may be made, of such arguments."""
        made = instance.args[0]
        if not isinstance(made, Global):
            return "its class is not a constant"
        if str(made) == "builtins.type":
            return "it makes a class"
        verdict = self.verdict(made.module, made.name)
        if verdict.grant is None:
            return None  # it was objected to where it was named
        if verdict.grant.use < Use.MADE:
            return f"it makes an object of {made}, and a model only needs {_USES[verdict.grant.use]}"
        if verdict.grant.check is None:
            return None
        return verdict.grant.check(_inner(instance, made))

    def _state(self, event: Build) -> str | None:
        """A state is held to what the class may be given, where that is known."""
        target = event.target
        made = _class_of(target) if isinstance(target, Instance) else None
        if made is None or not isinstance(target, Instance):
            return None
        if target.is_given and made.module.partition(".")[0] == "numpy":
            return "its state changes an array, or what arrays are made of, that was judged as a part of something else"
        grant = self.verdict(made.module, made.name).grant
        if grant is None:
            return None
        if grant.check is lookup or made.name in _SHARED:
            return "its state changes what everything else in the process uses too"
        wrong = self._called(event.state) or (None if grant.state is None else grant.state(event.state))
        return wrong or (None if grant.built is None else grant.built(target))

    def _called(self, state: Value) -> str | None:
        """What a transformer calls may be a function, but no class: who makes an object can open files."""
        found = state.texts() if isinstance(state, Mapping) else {}
        for key in CALLED & found.keys():
            value = found[key]
            if isinstance(value, Global) and str(value) not in FRAME_CLASSES and value.module not in PLAIN:
                verdict = self.verdict(value.module, value.name)
                grant = verdict.grant if verdict.judgement is Judgement.ALLOWED else None
                if grant is not None and grant.is_value and grant.use is not Use.NAMED:
                    return f"it calls {value} with whatever it transforms, and may only call functions"
        return None

    def _is_fillable(self, event: Fill) -> bool:
        callee = event.target.callee
        if not isinstance(callee, Global):
            return False
        if callee.module in PLAIN:
            return True
        is_made = not event.target.is_call or callee.module == "copyreg"
        return is_made and not self._quirks(event.target) & METHODS[event.opcode]

    def _decide(self, module: str, name: str) -> Verdict:
        if self._definitions.is_author(module):
            return self._author(module, name)
        module = MOVED.get(module, module)
        root = module.partition(".")[0]
        if root == "__torch__":
            # A type of TorchScript's, from the archive itself: there is no such module to import.
            return Verdict(judgement=Judgement.ALLOWED, grant=Grant(Use.MADE))
        grant = TABLE.get((_older(module), name))
        if grant is not None:
            return self._present(module, name, root, grant)
        family = FAMILIES.get(root)
        if family is not None and family.vouches(module):
            return self._of_family(module, name, root)
        if root not in NEVER_WHOLE and family is None and root not in _STANDARD:
            return self._of_other(module, name, root)
        return _refused(module, name)

    def _author(self, module: str, name: str) -> Verdict:
        found = self._definitions.find(module, name)
        reason = f"{module} is the bundle's own"
        if found.kind is Kind.CLASS:
            return Verdict(judgement=Judgement.AUTHOR, grant=Grant(Use.CALLED), reason=reason)
        if found.kind in (Kind.FUNCTION, Kind.MEMBER):
            return Verdict(judgement=Judgement.AUTHOR, grant=Grant(Use.NAMED), reason=reason)
        return Verdict(
            judgement=Judgement.REFUSED,
            reason=f"{module} of the bundle defines no class or function {name}",
            remedy=f"define {name} in {module}, or train and save the model again with what the bundle has",
        )

    def _present(self, module: str, name: str, root: str, grant: Grant) -> Verdict:
        """Something the table names: still, its distribution must be locked, and have the module."""
        missing = self._missing(module, root)
        if missing is not None:
            return Verdict(judgement=Judgement.MISSING, grant=grant, reason=missing)
        family = FAMILIES.get(root)
        if family is not None and root != "torch":
            found = self._definitions.find(module, name.partition(".")[0])
            if found.kind is Kind.ABSENT:
                return _absent(module, name, found)
        return Verdict(judgement=Judgement.ALLOWED, grant=grant)

    def _missing(self, module: str, root: str) -> str | None:
        if root in _STANDARD or not self._definitions.has_wheels:
            return None
        if not self._definitions.distributions(root):
            return f"{NOT_LOCKED} {root}"
        # numpy moved its private modules with version 2; which of them is there is a matter of versions.
        if root != "numpy" and not any(
            module in self._definitions.indexes[name].importable for name in self._definitions.distributions(root)
        ):
            return f"the locked {' or '.join(self._definitions.distributions(root))} has no module {module}"
        return None

    def _of_family(self, module: str, name: str, root: str) -> Verdict:
        if not self._definitions.has_wheels:
            if _CAPITALISED.fullmatch(name):
                return Verdict(judgement=Judgement.ALLOWED, grant=Grant(Use.MADE))
            if FAMILIES[root].functions.fullmatch(module) and name.isidentifier():
                return Verdict(judgement=Judgement.ALLOWED, grant=Grant(Use.NAMED))
            return _refused(module, name)
        missing = self._missing(module, root)
        if missing is not None:
            return Verdict(judgement=Judgement.MISSING, grant=Grant(Use.MADE), reason=missing)
        found = self._definitions.find(module, name)
        if found.module and not FAMILIES[root].vouches(found.module):
            return _refused(module, name)  # it is only imported there
        if found.kind is Kind.CLASS:
            return Verdict(judgement=Judgement.ALLOWED, grant=Grant(Use.MADE))
        if found.kind is Kind.FUNCTION and FAMILIES[root].functions.fullmatch(module):
            return Verdict(judgement=Judgement.ALLOWED, grant=Grant(Use.NAMED))
        if found.kind is Kind.ABSENT:
            return _absent(module, name, found)
        if found.kind is Kind.EXTENSION:
            return Verdict(judgement=Judgement.REFUSED, reason=_COMPILED, remedy=TRUSTED_ONLY)
        return _refused(module, name)

    def _of_other(self, module: str, name: str, root: str) -> Verdict:
        refusal = find_refusal(f"{module}.{name}")
        if refusal is not None:
            return Verdict(judgement=Judgement.REFUSED, reason=refusal.reason, remedy=refusal.remedy)
        if not self._definitions.has_wheels:
            # No function of theirs may be called; of a class, the wheel tells whether it may.
            use = Use.CALLED if _CAPITALISED.fullmatch(name) else Use.MADE
            return Verdict(judgement=Judgement.UNKNOWN, grant=Grant(use), reason="its wheel is not at hand")
        if not self._definitions.distributions(root):
            return Verdict(
                judgement=Judgement.REFUSED,
                reason=f"{NOT_LOCKED} {root}",
                remedy=f"add the distribution that brings {root} to the requirements; a module of your own, to "
                "scoring.sources",
            )
        missing = self._missing(module, root)
        if missing is not None:
            return Verdict(judgement=Judgement.MISSING, grant=Grant(Use.MADE), reason=missing)
        found = self._definitions.find(module, name, is_read=True)
        if found.kind is Kind.MEMBER:
            return Verdict(judgement=Judgement.ALLOWED, grant=Grant(Use.NAMED))
        if found.kind is Kind.CLASS:
            return self._of_class(module, name, is_enumeration=found.is_enumeration)
        if found.kind is Kind.ABSENT:
            return _absent(module, name, found)
        kind = "is compiled, so nobody can tell what it does" if found.kind is Kind.EXTENSION else "is not a class"
        return Verdict(judgement=Judgement.REFUSED, reason=f"in {found.distribution} it {kind}", remedy=TRUSTED_ONLY)

    def _of_class(self, module: str, name: str, *, is_enumeration: bool) -> Verdict:
        """A class may be made when nothing of its own, or of what it is derived from, runs by that."""
        ancestry = trace_ancestry(self._definitions, module, name)
        # An enumeration's own __new__ has run when the class was made, and is put aside then.
        hooks = ancestry.hooks - {"__new__"} if is_enumeration else ancestry.hooks
        if not hooks and not ancestry.unknown:
            grant = Grant(Use.CALLED, lookup) if is_enumeration else Grant(Use.MADE, quirks=ancestry.quirks)
            return Verdict(judgement=Judgement.ALLOWED, grant=grant)
        methods = ", ".join(sorted(hooks)) or f"in {', '.join(sorted(ancestry.unknown))}, which was not found"
        return Verdict(
            judgement=Judgement.REFUSED,
            reason=f"unpickling it runs code of its own that nobody vouches for ({methods})",
            remedy=TRUSTED_ONLY,
        )


_COMPILED = "it is compiled, and not on the list of what models are made of"
NOT_LOCKED = "no locked distribution brings"
"""How the reason begins when a whole distribution is missing."""
_SHARED = frozenset({"getattr", "_ufunc_reconstruct", "ZoneInfo._unpickle", "_UTC", "_p"})
"""What gives objects that are there already, instead of new ones."""
_OUTSIDE = "it stands for an object from outside of the file, and is no storage of torch's"
_STANDARD = frozenset(
    {*sys.stdlib_module_names, *_compat_pickle.IMPORT_MAPPING, *(module for module, _ in _compat_pickle.NAME_MAPPING)}
)
"""Modules of Python's own, of Python 2's too: what is not in the table is refused, locked or not."""
_USES = {
    Use.NAMED: "its name",
    Use.MADE: "to make an object of it without calling it",
    Use.CALLED: "to call it",
}


def _older(module: str) -> str:
    if module == "numpy._core" or module.startswith("numpy._core."):
        return "numpy.core" + module.removeprefix("numpy._core")
    return module


def _refused(module: str, name: str) -> Verdict:
    refusal = find_refusal(f"{module}.{name}")
    if refusal is None:
        return Verdict(judgement=Judgement.REFUSED, reason="it is not on the list of what models need")
    return Verdict(judgement=Judgement.REFUSED, reason=refusal.reason, remedy=refusal.remedy)


def _absent(module: str, name: str, found: Definition) -> Verdict:
    return Verdict(
        judgement=Judgement.MISSING,
        grant=Grant(Use.MADE),
        reason=f"the locked {found.distribution} has no {name} in {module}",
    )


def _helps(callee: Global) -> bool:
    """Tell whether a global makes an object of the class it is given."""
    return _REBUILDS.fullmatch(callee.name) is not None


def _class_of(instance: Instance) -> Global | None:
    """Return the class an object is of, as far as the pickle says."""
    callee = instance.callee
    if (
        isinstance(callee, Global)
        and instance.args
        and (callee.module == "copyreg" or _REBUILDS.fullmatch(callee.name))
    ):
        callee = instance.args[0]
    return callee if isinstance(callee, Global) else None


def _inner(instance: Instance, made: Global) -> Instance:
    """Return what a helper of ``copyreg``, or of Cython's, makes, as if it were made without it."""
    args: tuple[Value, ...] = instance.args[1:]
    kwargs = None
    helper = instance.callee.name
    if helper == "__newobj_ex__":
        args, kwargs = (args[0] if args and isinstance(args[0], tuple) else ()), (args[1] if len(args) > 1 else None)
    elif helper != "__newobj__":
        args = ()
    return Instance(made, args, kwargs, instance.offset, is_call=False)


def _is_storage(persistent: Persistent) -> bool:
    """``('storage', class, key, location, size[, view])``, or in older files ``('module', class, path, source)``."""
    key = persistent.key
    if not isinstance(key, tuple) or not key or not isinstance(key[0], (str, OldText)):
        return False
    if str(key[0]) == "storage":
        return (
            len(key) in (5, 6)
            and isinstance(key[1], Global)
            and all(isinstance(part, (str, OldText)) for part in key[2:4])
        )
    return str(key[0]) == "module" and len(key) == 4 and isinstance(key[1], Global)


def _shown(value: Value) -> str:
    if isinstance(value, Global):
        return str(value)
    if isinstance(value, Instance):
        return value.path or "an object"
    return "an object"


__all__ = ["Allowance", "Judgement", "Objection", "Outside", "Verdict"]
