from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_subjects import NAMES, SCORE, Files, loud, read_example, read_subject, small_files, write_files

from builder.check.finding import Finding
from builder.check.secret_patterns import KINDS, find_passwords, find_private_keys, find_tokens, mask
from builder.check.secrets import find_secrets

YAML = """\
name: churn
version: 1.0.0
model: {path: model/m.json}
scoring: {script: score.py, sources: [lib/]}
environment: {python: "3.11", requirements: requirements.txt%s}
"""
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
draw = random.Random(5)


def drawn(length: int, alphabet: str = BASE62) -> str:
    return "".join(draw.choice(alphabet) for _ in range(length))


def summed(prefix: str) -> str:
    """Return a token with the checksum GitHub and npm write."""
    body = drawn(30)
    number, text = zlib.crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        text = BASE62[digit] + text
    return prefix + body + text.rjust(6, "0")


def jwt(**claims: object) -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, claims or {"sub": "1", "name": "ann"})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, drawn(43)])


def pem(kind: str = "RSA ") -> str:
    """Return what looks like a private key; the words stand apart so that this file holds none."""
    rows = "\n".join(drawn(64) for _ in range(6))
    return "\n".join([f"-----BEGIN {kind}PRIVATE" + " KEY-----", rows, f"-----END {kind}PRIVATE" + " KEY-----"])


TOKENS = {
    "AWS access key": "AKIA" + drawn(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "AWS secret key": "aws_secret_access_key = " + drawn(40),
    "GitHub": summed("ghp_"),
    "GitHub fine-grained": "github_pat_" + drawn(22) + "_" + drawn(59),
    "GitLab": "glpat-" + drawn(20),
    "npm": summed("npm_"),
    "package index": "pypi-AgE" + drawn(120),
    "Hugging Face": "hf_" + drawn(34, string.ascii_letters),
    "OpenAI": "sk-proj-" + drawn(74) + "T3BlbkFJ" + drawn(74),
    "Anthropic": "sk-ant-api03-" + drawn(93) + "AA",
    "Google": "AIza" + drawn(35),
    "Slack": "xoxb-" + drawn(12, string.digits) + "-" + drawn(24),
    "Slack webhook": "https://hooks.slack.com/services/T" + drawn(8) + "/B" + drawn(10) + "/" + drawn(24),
    "Stripe": "sk_live_" + drawn(24),
    "SendGrid": "SG." + drawn(22) + "." + drawn(43),
    "Databricks": "dapi" + drawn(32, "0123456789abcdef"),
    "Docker Hub": "dckr_pat_" + drawn(27),
    "Azure storage": "AccountName=churn;AccountKey=" + drawn(86) + "==;EndpointSuffix=x",
    "Azure signature": "https://churn.blob.core.windows.net/m?sv=2024&sig=" + drawn(43) + "%3D",
    "Azure client secret": "abc8Q~" + drawn(34),
    "JSON web token": jwt(),
}
NOT_TOKENS = {
    "AWS's own example": "AKIAIOSFODNN7EXAMPLE",
    "a placeholder": "ghp_" + "x" * 36,
    "a wrong checksum": "ghp_" + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "your token here": "hf_yourTokenHereyourTokenHereyourToke",
    "a SHA-256": hashlib.sha256(b"x").hexdigest(),
    "a SHA-1": hashlib.sha1(b"x").hexdigest(),
    "a requirement's hash": "numpy==2.1.0 --hash=sha256:" + hashlib.sha256(b"y").hexdigest(),
    "a UUID": "123e4567-e89b-12d3-a456-426614174000",
    "an image": "data:image/png;base64," + base64.b64encode(draw.randbytes(4000)).decode(),
    "a base64 model": base64.b64encode(draw.randbytes(60_000)).decode(),
    "a word with the prefix": "the task-antidote desk-lamp risk-analysis of sk-learn",
    "a variable": "HF_TOKEN = os.environ['HF_TOKEN']",
    "a name": "npm_config_registry and hf_hub_download and SG.mean()",
    "a textbook's token": jwt(sub="1234567890", name="Jo"),
    "a token of John Doe": jwt(sub="7", name="John Doe"),
    "a token for example.com": jwt(iss="https://login.example.com/", sub="7"),
    "Azure's emulator": "AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2"
    "UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "three dotted words": "eyJhbGciOiJ.eyJzdWIiOiI.notsigned",
}


@pytest.mark.parametrize("text", TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize("around", ["{}", 'TOKEN = "{}"', "x: {}\n", "curl -H 'Authorization: Bearer {}'"])
def test_tokens_are_found_wherever_they_stand(text: str, around: str) -> None:
    assert len({secret.value for secret in find_tokens(around.format(text))}) == 1


@pytest.mark.parametrize(
    "form",
    [
        'os.environ["AWS_SECRET_ACCESS_KEY"] = "{}"',
        'os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "{}")',
        'aws_secret_access_key: str = "{}"',
        "export AWS_SECRET_ACCESS_KEY={}",
        '{{"SecretAccessKey": "{}"}}',
        "<SecretAccessKey>{}</SecretAccessKey>",
    ],
)
def test_secret_keys_of_aws_are_found_in_every_form_they_are_given_in(form: str) -> None:
    assert [secret.kind for secret in find_tokens(form.format(drawn(40)))] == ["AWS secret key"]


@pytest.mark.parametrize("text", NOT_TOKENS.values(), ids=NOT_TOKENS)
def test_what_only_looks_like_a_token_is_left_alone(text: str) -> None:
    assert list(find_tokens(text)) == []


def test_every_kind_of_token_is_tried() -> None:
    found = {secret.kind for text in TOKENS.values() for secret in find_tokens(text)}
    rare = {"DigitalOcean token", "Vault token", "Groq key", "Replicate token", "age key", "Google OAuth secret"}
    assert {kind.name for kind in KINDS} - rare - {"Azure shared access signature"} <= found


@pytest.mark.parametrize("kind", ["RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", ""])
def test_private_keys_are_found(kind: str) -> None:
    assert len(list(find_private_keys(pem(kind)))) == 1
    assert len(list(find_private_keys(json.dumps({"private_key": pem(kind)})))) == 1
    legacy = pem(kind).replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n", 1)
    assert len(list(find_private_keys(legacy))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN CERTIFICATE-----\n" + drawn(64) + "\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\n" + drawn(64) + "\n-----END PUBLIC KEY-----",
        'if "-----BEGIN PRIVATE' + ' KEY-----" in text:\n    raise ValueError',
        "-----BEGIN PRIVATE" + " KEY-----\n...\n-----END PRIVATE KEY-----",
    ],
    ids=["certificate", "public key", "a comparison", "an ellipsis"],
)
def test_what_is_no_private_key_is_left_alone(text: str) -> None:
    assert list(find_private_keys(text)) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:S3cr3t-91@index.corp.net/simple",
        "postgresql://svc:Tr0ub4dor@db.corp.net:5432/churn",
        "redis://:p4ssw0rd99@cache.corp.net:6379",
        "https://a8f3kd92jfm20dkw9s@index.corp.net/simple",
    ],
)
def test_passwords_in_urls_are_found(url: str) -> None:
    assert len(list(find_passwords(f'url = "{url}"'))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "https://index.corp.net/simple",
        "https://user:password@index.corp.net/simple",
        "https://ann:S3cr3t-91@example.com/",
        "https://ann:S3cr3t-91@index.example.com/",
        "postgresql://postgres:postgres1@localhost/churn",
        "https://${USER}:${TOKEN}@index.corp.net",
        "https://{user}:{token}@index.corp.net",
        "https://<user>:<token>@index.corp.net",
        "https://oauth2:$TOKEN@git.corp.net",
        "git+ssh://git@git.corp.net/x.git",
        "https://git.corp.net/a:b/@scope/package",
        "mail ann:x@corp.net, see https://corp.net",
    ],
)
def test_urls_without_a_real_password_are_left_alone(text: str) -> None:
    assert list(find_passwords(text)) == []


def test_a_mask_shows_a_quarter_and_four_characters_at_most() -> None:
    assert mask("abcdefghijklmnopqrst") == "abcd… (20 characters)"
    assert mask("abcdefghij") == "ab… (10 characters)"
    assert mask("abc") == "… (3 characters)"


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_without_fault(name: str, tmp_path: Path) -> None:
    assert loud(find_secrets(read_example(name, tmp_path))) == []


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., list[Finding]]:
    def run(files: Files, *, variables: str = "", smoke: str = "") -> list[Finding]:
        return list(
            find_secrets(read_subject(write_files(tmp_path / "bundle", small_files(YAML % variables + smoke, **files))))
        )

    return run


Check = Callable[..., list[Finding]]


def ids(findings: list[Finding]) -> list[str]:
    return [f"{finding.rule.id} {finding.place}" for finding in findings]


def test_a_token_in_the_code_is_told_masked_and_once(check: Check) -> None:
    token = TOKENS["GitHub"]
    (finding,) = check({"score.py": f"{SCORE}\nTOKEN = '{token}'\nAGAIN = '{token}'\n"})
    assert ids([finding]) == ["KILN602 score.py:7:10"]
    assert finding.message == "a GitHub token stands here: ghp_… (40 characters)"
    assert token not in str(finding)


def test_secrets_are_found_in_every_text_that_enters_the_image(check: Check) -> None:
    token = TOKENS["AWS access key"]
    assert ids(check({"lib/settings.toml": f'key = "{token}"'})) == ["KILN602 lib/settings.toml:1:8"]
    assert "KILN602 model/m.json:1:22" in ids(check({"model/m.json": f'{{"learner":{{}}, "k": "{token}"}}'}))


def test_bundle_yaml_and_requirements_are_read_too(check: Check) -> None:
    found = check({"requirements.txt": "# --extra-index-url https://ann:S3cr3t-91@index.corp.net/simple\nnumpy==2.*\n"})
    assert ids(found) == ["KILN603 requirements.txt:1:33"]
    assert "S3cr3t-91" not in found[0].message


def test_a_private_key_is_found_and_never_shown(check: Check) -> None:
    key = pem()
    (finding,) = check({"lib/tls.txt": key})
    assert ids([finding]) == ["KILN601 lib/tls.txt:1:1"]
    assert not any(row in str(finding) for row in key.splitlines()[1:-1])


def test_binary_and_large_files_are_not_searched(check: Check) -> None:
    token = TOKENS["AWS access key"].encode()
    assert check({"lib/data.bin": b"\0\1" + token, "lib/large.txt": b"a" * 1_100_000 + token}) == []


CREDENTIALS: dict[str, str | bytes] = {
    ".env": "LOG_LEVEL=info\nDB_PASSWORD=postgres\n",
    ".env.production": "export API_TOKEN='9f8e7d6c5b4a'\n",
    "config.env": "OMP_NUM_THREADS=1\nDB_PASSWORD=tr0ub4dor-9\n",
    ".netrc": "machine h login u password p",
    ".pypirc": "[x]\npassword = p",
    ".aws/credentials": "[default]\naws_secret_access_key = x",
    ".docker/config.json": '{"auths": {"r": {"auth": "eA=="}}}',
    "id_rsa": "-----BEGIN OPENSSH PRIVATE" + " KEY-----",
    ".kube/config": "apiVersion: v1\nusers:\n- name: x",
    "prod.yaml": "kind: Config\nusers:\n- user: {client-key-data: x}",
    "account.json": '{"type": "service_account", "private_key": "x"}',
    "adc.json": '{"type": "authorized_user", "refresh_token": "x"}',
    "kaggle.json": '{"username": "u", "key": "k"}',
    "client.p12": b"0\x82",
    "terraform.tfstate": '{"resources": []}',
}


@pytest.mark.parametrize("name", CREDENTIALS)
def test_files_of_credentials_are_errors_inside_and_notes_beside(name: str, check: Check) -> None:
    inside = [f for f in check({f"lib/{name}": CREDENTIALS[name]}) if f.rule.id == "KILN604"]
    assert ids(inside) == [f"KILN604 lib/{name}"]
    assert inside[0].remedy == f"move lib/{name} out of lib/"


@pytest.mark.parametrize("name", CREDENTIALS)
def test_files_of_credentials_beside_are_noted(name: str, check: Check) -> None:
    found = check({name: CREDENTIALS[name]})
    assert [(f.rule.id, f.place.path, str(f.severity)) for f in found] == [("KILN607", name, "note")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".env", "# nothing\n\n"),
        (".env", "OMP_NUM_THREADS=1\nLOG_LEVEL=info\nMAX_TOKENS=4096\nUSE_AUTH=true\n"),
        (".env", "DB_PASSWORD=\nAPI_KEY=changeme\nTOKEN=${TOKEN}\nSECRET=<secret>\nPASSWORD=***\n"),
        ("config.env", "OMP_NUM_THREADS=1\nLOG_LEVEL=info\n"),
        ("config.env", "DB_PASSWORD=development\n"),
        (".env.example", "DB_PASSWORD=changeme\n"),
        ("cacert.pem", "-----BEGIN CERTIFICATE-----\nx"),
        ("config.json", '{"auth": "none", "type": "service"}'),
        ("settings.yaml", "kind: Service\nname: x"),
        ("id_rsa.pub", "ssh-rsa AAAA"),
        ("environment.py", "A = 1"),
        ("kubeconfig.py", "users = 1"),
    ],
)
def test_files_that_only_sound_like_credentials_are_left_alone(name: str, content: str, check: Check) -> None:
    assert check({f"lib/{name}": content, name: content}) == []


@pytest.mark.parametrize(
    "variables",
    ["DB_PASSWORD: tr0ub4dor-9", "API_KEY: 9f8e7d6c5b4a39281706", "WANDB_API_KEY: 0f1e2d3c4b5a69788796a5b4c3d2e1f0"],
)
def test_secret_variables_are_found(variables: str, check: Check) -> None:
    (finding,) = check({}, variables=f", variables: {{{variables}}}")
    assert finding.rule.id == "KILN605"
    assert finding.place.detail == "environment.variables." + variables.partition(":")[0]
    assert variables.partition(": ")[2] not in finding.message


@pytest.mark.parametrize(
    "variables",
    [
        "LOG_LEVEL: info",
        'TOKENIZERS_PARALLELISM: "false"',
        'MAX_TOKENS: "4096"',
        "DB_PASSWORD_FILE: /run/secrets/db",
        "API_KEY: changeme-please",
        'DB_PASSWORD: "${DB_PASSWORD}"',
        "AUTH: basic",
        "SECRET_NAME: churn-prod-9a8b7c",
        "API_KEY: /run/secrets/key",
        "PASSWORD: production",
    ],
)
def test_variables_that_hold_no_secret_are_left_alone(variables: str, check: Check) -> None:
    assert check({}, variables=f", variables: {{{variables}}}") == []


@pytest.mark.parametrize(
    "code",
    [
        "password = 'tr0ub4dor-9'",
        "class Settings:\n    api_key: str = '9f8e7d6c5b4a3928'",
        "connect(host='db', password='tr0ub4dor-9')",
        "headers = {'X-Api-Key': '9f8e7d6c5b4a3928'}",
        "self = config = {}\nconfig['secret'] = '9f8e7d6c5b4a3928'",
        "class Settings:\n    DB_PASS = 'tr0ub4dor-9'",
        "os.environ.setdefault('MLFLOW_TRACKING_PASSWORD', 'tr0ub4dor-9')",
        "password = os.getenv('DB_PASSWORD', 'tr0ub4dor-9')",
        "password = os.environ.get('DB_PASSWORD') or 'tr0ub4dor-9'",
        "password = 'tr0ub4dor-9' if local else read()",
        "def connect(host, password='tr0ub4dor-9', *, port=1): pass",
        "def connect(host, *, port=1, password='tr0ub4dor-9'): pass",
        "connect = lambda password='tr0ub4dor-9': password",
        "requests.get('https://x', auth=('svc', 'tr0ub4dor-9'))",
        "requests.get('https://x', auth=HTTPBasicAuth('svc', 'tr0ub4dor-9'))",
        "headers = {'Authorization': 'Bearer 9f8e7d6c5b4a39289f8e7d6c'}",
        "user, password = 'svc', 'tr0ub4dor-9'",
        "self.db_password: str = 'tr0ub4dor-9'",
        "setattr(settings, 'password', 'tr0ub4dor-9')",
        "parser.add_argument('--password', default='tr0ub4dor-9')",
        "class Settings(BaseSettings):\n    password: str = Field(default='tr0ub4dor-9')",
        "connection_string = 'Server=tcp:x,1433;User=sa;Password=tr0ub4dor-9;'",
        "dbPassword = 'Winter-2024'",
    ],
)
def test_secrets_written_into_the_code_are_warned_of(code: str, check: Check) -> None:
    (finding,) = check({"lib/db.py": code})
    assert (finding.rule.id, str(finding.severity)) == ("KILN606", "warning")
    assert "tr0ub4dor" not in finding.message
    assert "9f8e7" not in finding.message


def test_remedy_names_a_variable_that_can_be_set(check: Check) -> None:
    (finding,) = check({"lib/db.py": "headers = {'x-api-key': '9f8e7d6c5b4a3928'}"})
    assert 'os.environ["X_API_KEY"]' in finding.remedy


@pytest.mark.parametrize(
    "code",
    [
        "password = os.environ['DB_PASSWORD']",
        "password = ''",
        "token = 'unknown'",
        "pad_token = '<pad>'",
        "sep_token = '[SEP]'",
        "eos_token = '</s>'",
        "tokenizer = 'wordpiece-uncased-v2'",
        "api_key_header = 'X-Api-Key-9f8e7d6c'",
        "auth = 'https://login.corp.net/oauth2/v2.0'",
        "password = 'correct horse battery 9'",
        "secret = 'your-secret-9f8e'",
        "KEY = 'tenure_months_12'",
        "token = '__UNKNOWN_CATEGORY_01__'",
        "access_key = 'customer_id_v2'",
        "KEY_VAULT_SECRET = 'churn-api-key-2024'",
        "def check(password='hunter2-test'): pass",
        "def tokenize(text, token='[PAD]', pad_token='m4deupw0rd'): pass",
        "def connect(password, *, host='9f8e7d6c5b4a'): pass",
        "row.get('token', 'unknown_category_1')",
        "columns.get('9f8e7d6c5b4a', 'token')",
        "password = os.getenv('DB_PASSWORD', '')",
        "password = os.getenv('DB_PASSWORD', 'changeme')",
        "auth = ('user', 'your-password')",
        "request_token = '123e4567-e89b-42d3-a456-426614174abc'",
        "connection_string = 'Server=localhost;Database=x;Trusted_Connection=True'",
        "{'password': 'Passwort:', 'secret': 'Geheimnis', 'auth': 'Авторизация'}",
        "secret = 'arn:aws:secretsmanager:eu-west-1:210987654321:secret:churn-Ab9xCd'",
    ],
)
def test_literals_that_are_no_secrets_are_left_alone(code: str, check: Check) -> None:
    assert check({"lib/db.py": code}) == []


def test_the_request_that_stays_in_the_image_is_searched(check: Check) -> None:
    smoke = f'smoke:\n  - {{name: a, request: {{k: "{TOKENS["Google"]}"}}}}\n'
    assert {finding.rule.id for finding in check({}, smoke=smoke)} == {"KILN602"}
    request = json.dumps({"k": TOKENS["Google"]})
    smoke = "smoke:\n  - {name: a, request: sample.json}\n"
    found = check({"sample.json": request}, smoke=smoke)
    assert [finding.place.detail for finding in found] == ["smoke[0].request"]
