"""Where things are in every image. Paths are relative to the root, as tar has them."""

from __future__ import annotations

KILN = "opt/kiln"
"""What is ours."""
RUNTIME = "opt/kiln/kiln_runtime"
"""The runtime's source, as an importable package."""
SERVER_PACKAGES = "opt/kiln/server"
"""The server's dependencies; the worker never sees them."""
MODEL = "opt/model"
"""What is the author's."""
MODEL_FILES = "opt/model/model"
"""The model directory: holds the model under its own basename."""
PACKAGES = "opt/model/packages"
"""The author's dependencies; the server never sees them."""
CODE = "opt/model/code"
"""The scoring script and further sources, with the paths they have in the bundle."""
BUNDLE_JSON = "opt/model/bundle.json"
"""The resolved bundle."""
LOCKS = "opt/model/lock"
"""What was chosen for the bundle: with it, the image can be built again from what is in it."""
BUNDLE_LOCK = f"{LOCKS}/bundle.lock"
REQUIREMENTS_LOCK = f"{LOCKS}/requirements.lock"

USER = "10001:0"
PORT = 8080
