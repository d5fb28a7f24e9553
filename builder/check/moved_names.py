"""Where modules and names went that a later release of their distribution no longer has."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_MOVED: Mapping[str, str] = MappingProxyType(
    {
        "jinja2.Markup": "markupsafe.Markup",
        "jinja2.escape": "markupsafe.escape",
        "keras.layers.core": "keras.layers",
        "keras.utils.np_utils": "keras.utils",
        "keras.wrappers": "scikeras, a package of its own",
        "numpy.testing.decorators": "numpy.testing",
        "numpy.testing.nosetester": "numpy.testing",
        "numpy.testing.utils": "numpy.testing",
        "pandas.Float64Index": "pandas.Index",
        "pandas.Int64Index": "pandas.Index",
        "pandas.Panel": "a pandas.DataFrame with a MultiIndex, or xarray",
        "pandas.TimeGrouper": "pandas.Grouper",
        "pandas.UInt64Index": "pandas.Index",
        "pandas.compat.numpy.function": "pandas",
        "pandas.core.index": "pandas",
        "pandas.datetime": "datetime.datetime",
        "pandas.io.json.json_normalize": "pandas.json_normalize",
        "pandas.np": "numpy",
        "pandas.scatter_matrix": "pandas.plotting.scatter_matrix",
        "pandas.tools.plotting": "pandas.plotting",
        "pandas.util.testing": "pandas.testing",
        "pytorch_lightning.metrics": "torchmetrics, a package of its own",
        "scipy.misc": "scipy.datasets, scipy.special, or imageio for images",
        "scipy.misc.ascent": "scipy.datasets.ascent",
        "scipy.misc.comb": "scipy.special.comb",
        "scipy.misc.derivative": "scipy.differentiate.derivative",
        "scipy.misc.electrocardiogram": "scipy.datasets.electrocardiogram",
        "scipy.misc.face": "scipy.datasets.face",
        "scipy.misc.factorial": "scipy.special.factorial",
        "scipy.misc.imfilter": "imageio or pillow, packages of their own",
        "scipy.misc.imread": "imageio or pillow, packages of their own",
        "scipy.misc.imresize": "imageio or pillow, packages of their own",
        "scipy.misc.imrotate": "imageio or pillow, packages of their own",
        "scipy.misc.imsave": "imageio or pillow, packages of their own",
        "scipy.misc.imshow": "imageio or pillow, packages of their own",
        "scipy.misc.logsumexp": "scipy.special.logsumexp",
        "scipy.misc.toimage": "imageio or pillow, packages of their own",
        "scipy.stats.stats": "scipy.stats",
        "sklearn.cluster.bicluster": "sklearn.cluster",
        "sklearn.cross_validation": "sklearn.model_selection",
        "sklearn.datasets.base": "sklearn.datasets",
        "sklearn.datasets.samples_generator": "sklearn.datasets",
        "sklearn.decomposition.pca": "sklearn.decomposition",
        "sklearn.ensemble.bagging": "sklearn.ensemble",
        "sklearn.ensemble.forest": "sklearn.ensemble",
        "sklearn.ensemble.gradient_boosting": "sklearn.ensemble",
        "sklearn.ensemble.weight_boosting": "sklearn.ensemble",
        "sklearn.externals": "joblib or six as packages of their own",
        "sklearn.externals.joblib": "joblib, a package of its own",
        "sklearn.externals.six": "six, a package of its own",
        "sklearn.feature_extraction.stop_words": "sklearn.feature_extraction.text.ENGLISH_STOP_WORDS",
        "sklearn.grid_search": "sklearn.model_selection",
        "sklearn.inspection.plot_partial_dependence": "sklearn.inspection.PartialDependenceDisplay",
        "sklearn.learning_curve": "sklearn.model_selection",
        "sklearn.linear_model.base": "sklearn.linear_model",
        "sklearn.linear_model.logistic": "sklearn.linear_model",
        "sklearn.metrics.calinski_harabaz_score": "sklearn.metrics.calinski_harabasz_score",
        "sklearn.metrics.classification": "sklearn.metrics",
        "sklearn.metrics.jaccard_similarity_score": "sklearn.metrics.jaccard_score",
        "sklearn.metrics.plot_confusion_matrix": "sklearn.metrics.ConfusionMatrixDisplay",
        "sklearn.metrics.plot_precision_recall_curve": "sklearn.metrics.PrecisionRecallDisplay",
        "sklearn.metrics.plot_roc_curve": "sklearn.metrics.RocCurveDisplay",
        "sklearn.metrics.ranking": "sklearn.metrics",
        "sklearn.metrics.regression": "sklearn.metrics",
        "sklearn.metrics.scorer": "sklearn.metrics",
        "sklearn.mixture.DPGMM": "sklearn.mixture.BayesianGaussianMixture",
        "sklearn.mixture.GMM": "sklearn.mixture.GaussianMixture",
        "sklearn.mixture.gmm": "sklearn.mixture.GaussianMixture",
        "sklearn.neighbors.base": "sklearn.neighbors",
        "sklearn.neighbors.kde": "sklearn.neighbors",
        "sklearn.neighbors.unsupervised": "sklearn.neighbors",
        "sklearn.neural_network.multilayer_perceptron": "sklearn.neural_network",
        "sklearn.preprocessing.CategoricalEncoder": "sklearn.preprocessing.OneHotEncoder or OrdinalEncoder",
        "sklearn.preprocessing.Imputer": "sklearn.impute.SimpleImputer",
        "sklearn.preprocessing.data": "sklearn.preprocessing",
        "sklearn.preprocessing.imputation": "sklearn.impute",
        "sklearn.preprocessing.label": "sklearn.preprocessing",
        "sklearn.svm.classes": "sklearn.svm",
        "sklearn.tree.tree": "sklearn.tree",
        "sklearn.utils.safe_indexing": "sklearn.utils._safe_indexing",
        "sklearn.utils.testing": "numpy.testing, or sklearn.utils._testing in tests",
        "tensorflow.contrib": "tensorflow_addons or tf_slim, packages of their own",
        "torch._six": "collections.abc and math",
        "werkzeug.secure_filename": "werkzeug.utils.secure_filename",
    }
)


def moved_to(module: str) -> str | None:
    """Tell where a module went that its distribution no longer has; None when that is not known."""
    name = module
    while name:
        if name in _MOVED:
            return _MOVED[name]
        name = name.rpartition(".")[0]
    return None


def is_moved(name: str) -> bool:
    """Tell whether exactly this module, class or function is known to be gone from later releases."""
    return name in _MOVED
