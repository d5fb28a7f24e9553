"""Rules of a model that is served without a script: what its file holds has to have what the image calls."""

from __future__ import annotations

from collections.abc import Iterator

from builder.bundle.model import BundleFile, Contract, Framework
from builder.check.finding import Finding, Level, Place, Rule
from builder.check.model_files import read_model_file, remembered
from builder.check.pickle_classes import Definitions
from builder.check.subject import Subject

CANNOT_PREDICT = Rule(
    id="KILN206",
    name="model-without-predict",
    level=Level.ERROR,
    summary="What the model file holds has no predict, and there is no script that would call anything else.",
    why="The worker loads the model, asks it for predict and fails: the container never becomes ready.",
    remedy="Save the estimator or pipeline that predicts, or write a scoring script that makes one of what is there.",
)
RULES = (CANNOT_PREDICT,)

_PLAIN = frozenset({"dict", "list", "tuple", "set"})
_MLFLOW = frozenset({"mlflow", "mlflow-skinny"})
_SCRIPT = "write score.py with load(model_dir) and predict(model, records), and name it as scoring.script"


def find_served(subject: Subject) -> Iterator[Finding]:
    """Yield when the image would ask an object for a method it surely lacks; it stays silent when in doubt."""
    served = _served(subject)
    if served is None:
        return
    file, method = served
    try:
        outermost = read_model_file(subject, file).artifact.outermost
    except OSError:
        return
    place = Place(path=file.path)
    if outermost in _PLAIN:
        yield Finding(
            rule=CANNOT_PREDICT,
            place=place,
            message=f"the model file holds a {outermost}, not an estimator",
            remedy=f"save the estimator alone; or {_SCRIPT}: load returns what the {outermost} has for it",
        )
    elif outermost and _lacks(subject, outermost, method):
        yield Finding(
            rule=CANNOT_PREDICT,
            place=place,
            message=f"the model would predict by {outermost}, which has no {method}",
            remedy=f"save the pipeline that ends in what predicts; or {_SCRIPT}: predict calls what the object has",
        )


def _served(subject: Subject) -> tuple[BundleFile, str] | None:
    """Return the file that scikit-learn's loader is given, and the method it asks for; None when it is given none."""
    bundle = subject.bundle
    path, method = bundle.model.path, "predict"
    if bundle.scoring.contract is not Contract.NONE:
        return None
    if bundle.model.framework is Framework.MLFLOW:
        flavor = bundle.model.flavor
        if flavor is None or flavor.name != Framework.SKLEARN or subject.lock is None or _has_mlflow(subject):
            return None
        path, method = f"{path}/{flavor.file}", flavor.method or method
    elif bundle.model.framework is not Framework.SKLEARN:
        return None
    return next(((file, method) for file in subject.inventory.model if file.path == path), None)


def _has_mlflow(subject: Subject) -> bool:
    wheels = subject.lock.on(subject.platform).wheels if subject.lock else ()
    return any(wheel.name in _MLFLOW for wheel in wheels)


def _lacks(subject: Subject, path: str, method: str) -> bool:
    """Tell whether a class surely lacks a method, remembered for these wheels: only they are asked."""
    wheels = [] if subject.lock is None else subject.lock.on(subject.platform).wheels
    question = ["method", path, method, [[wheel.name, str(wheel.digest)] for wheel in wheels], sorted(subject.wheels)]

    def find() -> bool:
        from builder.check.class_members import has_method  # noqa: PLC0415 - parses; once for a class

        module, _, name = path.rpartition(".")
        return has_method(Definitions.of(subject), module, name, method) is False

    return bool(remembered(subject, question, (), find))
