"""Secrets in files of settings, and what only has the name or the look of one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_subjects import Files, read_subject, small_files, write_files

from builder.check.finding import Finding
from builder.check.secret_settings import LARGEST, find_settings, is_settings
from builder.check.secrets import find_secrets

YAML = """\
name: churn
version: 1.0.0
model: {path: model/m.json}
scoring: {script: score.py, sources: [lib/]}
environment: {python: "3.11", requirements: requirements.txt}
"""
PASSWORD = "tr0ub4dor-9"
KEY = "36d34092d4e2a029dcc079a4c9bc29fe"


@pytest.fixture
def check(tmp_path: Path) -> Callable[[Files], list[Finding]]:
    def run(files: Files) -> list[Finding]:
        return list(find_secrets(read_subject(write_files(tmp_path / "bundle", small_files(YAML, **files)))))

    return run


Check = Callable[[Files], list[Finding]]


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("settings.yaml", f"db:\n  password: {PASSWORD}\n", "2:13"),
        ("settings.yml", f"api_key: {KEY}  # of the tracker\n", "1:10"),
        ("settings.yaml", f'db: {{user: svc, password: "{PASSWORD}", host: x}}\n', "1:28"),
        ("settings.yaml", f"db: {{user: svc, password: {PASSWORD}, host: x}}\n", "1:27"),
        ("settings.yaml", f"Authorization: Bearer {KEY}\n", "1:16"),
        ("app.ini", f"[db]\npassword = {PASSWORD}\n", "2:12"),
        ("app.cfg", f"[db]\r\nuser = svc\r\npassword:{PASSWORD}\r\n", "3:10"),
        ("app.toml", f"[db]\npassword = '{PASSWORD}'\n", "2:13"),
        ("app.json", f'{{"db":{{"port":1,"token":null,"dbPassword":"{PASSWORD}"}}}}', "1:44"),
        ("app.properties", f"spring.datasource.password={PASSWORD}\n", "1:28"),
        ("app.conf", f"# password = {PASSWORD}\n", "1:14"),
        ("app.yaml", f"odbc: Server=x;Password={PASSWORD};Encrypt=yes\n", "1:25"),
    ],
)
def test_secrets_in_settings_are_warned_of_with_their_line(name: str, text: str, place: str, check: Check) -> None:
    (finding,) = check({f"lib/{name}": text})
    assert f"{finding.rule.id} {finding.severity} {finding.place}" == f"KILN606 warning lib/{name}:{place}"
    assert PASSWORD not in str(finding)
    assert KEY not in str(finding)


@pytest.mark.parametrize(
    "line",
    [
        "password:",
        'password: ""',
        "password: null",
        "password: ~",
        "password: changeme",
        "password: <password>",
        "password: '********'",
        "password: xxxxxxxxxx",
        "password: ${DB_PASSWORD}",
        "password: ${DB_PASSWORD:-postgres9}",
        "password: {{ .Values.password9 }}",
        "password = %(db_password9)s",
        "password: !vault |",
        "password: *default_9f8e7d",
        "password: production",
        "password: /run/secrets/db9f8e7d",
        "password: {type: string}",
        '"password": {"type": "string", "minLength": 8}',
        '"password": "Enter your password"',
        '"password": "Passwort:"',
        '"password": "Contrase\\u00f1a9"',
        '"token": "[PAD]"',
        '"token": "<s>"',
        '"token": "__UNK_0__"',
        '"token": "\\u2581the9f8e"',
        '"token": "##ing9f8 e7d"',
        '"token": 936412',
        '"password": "93641258"',
        '"unk_token": "m4deupw0rd9"',
        "token: 2024-01-31",
        "auth: scram-sha-256",
        "auth: myapp.auth:JWTAuth",
        "secret: arn:aws:secretsmanager:eu-west-1:210987654321:secret:churn-Ab9xCd",
        "secret: op://vault/churn9f/password8e",
        "api_key: ENC[AES256_GCM,data:8f3k2]",
        "api_key: your-api-key-9f8e7d",
        "api_key_header: X-Api-Key-9f8e7d6c",
        "access_key: customer_id_v2",
        "secret: churn-api-key-2024",
        "token: Optional[str]",
        "max_tokens: 9f8e7d6c5b4a",
        "password_file: 9f8e7d6c5b4a",
        "request_token: 123e4567-e89b-42d3-a456-426614174abc",
        "columns: {password: bool, token: string, auth: category}",
        "sha256: 3ae3e2310f88f23fd657ee7df9784184c93765349a3018d2fdf84b25d1fc4803",
        "logo: data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAf",
        "description: set token=9f8e7d6c5b4a in the header",
        "connection_string: Server=localhost;Database=x;Trusted_Connection=True",
    ],
)
def test_settings_that_hold_no_secret_are_left_alone(line: str) -> None:
    assert list(find_settings(line)) == []
    assert list(find_settings(f"a: 1\n  {line}\nb: 2\n")) == []


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("conf/app.yaml", True),
        (".env.production", True),
        ("app.JSON", True),
        ("tokenizer.json", False),
        ("tokenizer_config.json", False),
        ("my-vocab.json", False),
        ("special_tokens_map.json", False),
        ("notes.md", False),
        ("env.py", False),
    ],
)
def test_files_of_settings_are_known_by_name(name: str, settings: bool) -> None:
    assert is_settings(name) is settings


def test_a_field_of_many_records_is_no_setting() -> None:
    rows = "\n".join(f'{{"token": "w{number}x{number * 7919:x}"}},' for number in range(1000, 1030))
    assert list(find_settings(rows)) == []


def test_one_value_is_told_once_in_a_file(check: Check) -> None:
    found = check({"lib/.env": f"DB_PASSWORD={PASSWORD}\n", "lib/a.yaml": f"password: {PASSWORD}\ntoken: {PASSWORD}\n"})
    assert [f"{finding.rule.id} {finding.place}" for finding in found] == [
        "KILN606 lib/a.yaml:1:11",
        "KILN604 lib/.env",
    ]
    assert found[1].message == "a file of environment variables that sets DB_PASSWORD would enter the image"


@pytest.mark.parametrize(
    "text",
    [
        "key" * (LARGEST // 3),
        "password:p " * 23_000,
        '{"token":5,' * 23_000,
        "x" * LARGEST,
        '"token":"' + "\\" * 250_000,
    ],
    ids=["one word", "words", "numbers", "none", "backslashes"],
)
def test_reading_is_bounded_whatever_stands_there(text: str) -> None:
    start = time.perf_counter()
    assert list(find_settings(text)) == []
    assert time.perf_counter() - start < 5


def test_what_nobody_writes_by_hand_is_not_read() -> None:
    line = f"password: {PASSWORD}\n"
    assert len(list(find_settings(line + "x" * (LARGEST - len(line))))) == 1
    assert list(find_settings(line + "x" * LARGEST)) == []
