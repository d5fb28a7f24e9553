"""Requirements by the name a package is imported by, where the index has nothing, a stub or another thing of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

MISNAMED: Mapping[str, str] = MappingProxyType(
    {
        "bs4": "beautifulsoup4",
        "cv2": "opencv-python-headless",
        "dateutil": "python-dateutil",
        "docx": "python-docx",
        "dotenv": "python-dotenv",
        "faiss": "faiss-cpu",
        "fitz": "pymupdf",
        "imblearn": "imbalanced-learn",
        "pil": "pillow",
        "pywt": "pywavelets",
        "skimage": "scikit-image",
        "sklearn": "scikit-learn",
        "skopt": "scikit-optimize",
        "umap": "umap-learn",
        "yaml": "pyyaml",
    }
)
"""The distribution that was meant, by the normalised name that was written."""
