"""Files that hold credentials: known by their names, and by what is in them, so that a template is not one."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from builder.check.secret_settings import find_settings

_TEMPLATE = re.compile(r"\.(?:example|sample|template|dist|tmpl|j2|defaults?)$|^example\.|^sample\.", re.IGNORECASE)
_SSH_KEY = re.compile(r"id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|.*\.ppk")
_FEW = 3
_STORE = re.compile(r".*\.(?:p12|pfx|jks|keystore|kdbx)")
_ENV = re.compile(r"\.env(?:\..+)?|.+\.env|\.envrc")
_OWN_ENV = re.compile(r"\.env.*")
"""Kept for what is nobody else's business, so a plain word may be the password."""

_BY_PATH: dict[str, tuple[str, bytes]] = {
    ".netrc": ("a .netrc with logins", b"password"),
    "_netrc": ("a .netrc with logins", b"password"),
    ".pypirc": ("a .pypirc with a login of a package index", b"password"),
    ".pgpass": ("passwords of PostgreSQL", b":"),
    ".git-credentials": ("passwords of git", b"@"),
    ".npmrc": ("an .npmrc with a token", b"_auth"),
    ".dockercfg": ("a login of a registry", b"auth"),
    ".docker/config.json": ("a login of a registry", b'"auth"'),
    ".aws/credentials": ("credentials of AWS", b"aws_secret_access_key"),
    "aws/credentials": ("credentials of AWS", b"aws_secret_access_key"),
    ".kube/config": ("a kubeconfig", b"users:"),
    "kubeconfig": ("a kubeconfig", b"users:"),
    ".databrickscfg": ("a token of Databricks", b"token"),
    ".boto": ("credentials of boto", b"secret"),
    ".s3cfg": ("credentials of S3", b"secret_key"),
    "kaggle.json": ("a key of Kaggle", b'"key"'),
    ".htpasswd": ("hashed passwords", b":"),
    ".streamlit/secrets.toml": ("secrets of Streamlit", b"="),
    "terraform.tfstate": ("a state of Terraform, with its secrets in clear", b'"resources"'),
    "rclone.conf": ("credentials of rclone", b"["),
    "application_default_credentials.json": ("credentials of Google Cloud", b'"refresh_token"'),
    "accessTokens.json": ("tokens of Azure", b"accessToken"),
    "msal_token_cache.json": ("tokens of Azure", b"secret"),
}
"""The end of the path, what it is, and what is in it when it holds something."""


def is_named_like_credentials(path: str) -> bool:
    """Tell whether a file may hold credentials, by its path alone."""
    name = PurePosixPath(path).name
    if _TEMPLATE.search(name):
        return False
    return (
        _known(path) is not None
        or any(pattern.fullmatch(name) for pattern in (_SSH_KEY, _STORE, _ENV))
        or name.endswith((".json", ".pem", ".key", ".yaml", ".yml", ".conf"))
    )


def find_credential_file(path: str, content: bytes) -> str | None:
    """Return what credentials a file holds, in a few words; None when it holds none."""
    name = PurePosixPath(path).name
    known = _known(path)
    if known is not None:
        what, sign = known
        return what if sign in content else None
    if _SSH_KEY.fullmatch(name):
        return "a private SSH key" if b"PRIVATE" in content or b"PuTTY-User-Key" in content else None
    if _STORE.fullmatch(name):
        return "a store of keys" if content else None
    if _ENV.fullmatch(name):
        return _variables(content, weak=_OWN_ENV.fullmatch(name) is not None)
    if name.endswith(".json"):
        return _google_account(content)
    if name.endswith((".pem", ".key")):
        return "a private key" if b"PRIVATE KEY-----" in content else None
    is_kubeconfig = b"client-key-data:" in content or (b"kind: Config" in content and b"token:" in content)
    return "a kubeconfig" if is_kubeconfig else None


def _variables(content: bytes, *, weak: bool) -> str | None:
    found = dict.fromkeys(setting.name for setting in find_settings(content.decode("utf-8", "replace"), weak=weak))
    names = ", ".join(list(found)[:_FEW]) + (" and more" if len(found) > _FEW else "")
    return f"a file of environment variables that sets {names}" if found else None


def _known(path: str) -> tuple[str, bytes] | None:
    parts = PurePosixPath(path).parts
    for length in (1, 2):
        found = _BY_PATH.get("/".join(parts[-length:]))
        if found is not None:
            return found
    return None


def _google_account(content: bytes) -> str | None:
    if b'"service_account"' in content and b'"private_key"' in content:
        return "a service account of Google Cloud, with its key,"
    if b'"authorized_user"' in content and b'"refresh_token"' in content:
        return "credentials of Google Cloud"
    return None
