"""Every builder ends at the same image; kiln verify says so, and says where when one does not."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.disorder import require_same
from tests.support.docker_registry import docker_registry
from tests.support.kiln import EXAMPLES, Kiln, copy_example
from tests.support.packages import program

pytestmark = [pytest.mark.engine]
ENGINE_BUILDERS = ("classic", "buildkit")


@pytest.fixture(scope="module")
def built(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    bundles = {}
    for name in EXAMPLES:
        bundles[name] = copy_example(name, tmp_path_factory.mktemp("bundles") / name)
        kiln("build", bundles[name])
    return bundles


def layout(bundle: Path) -> Path:
    return bundle / "build" / "layout"


@pytest.fixture(scope="module")
def others(
    kiln: Kiln, built: dict[str, Path], docker_host: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], Future[tuple[Path, Any]]]]:
    """Have the engine's builders build every example, two at a time: they wait for disks more than they work.

    What two examples have in common, the base and the server's dependencies, the engine builds once.
    """
    assert built
    with_engine = kiln.with_environ(DOCKER_HOST=docker_host)

    def build(name: str, builder: str) -> tuple[Path, Any]:
        bundle = copy_example(name, tmp_path_factory.mktemp("others") / name)
        return bundle, with_engine("build", bundle, "--builder", builder, "--json").json

    with ThreadPoolExecutor(2) as pool:
        yield {(name, builder): pool.submit(build, name, builder) for builder in ENGINE_BUILDERS for name in EXAMPLES}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("builder", ENGINE_BUILDERS)
def test_another_builder_ends_at_the_same_image_id_and_bytes(
    built: dict[str, Path], others: dict[tuple[str, str], Future[tuple[Path, Any]]], name: str, builder: str
) -> None:
    bundle, record = others[name, builder].result()
    assert record["builder"] == builder
    assert record["engine_image_id"] != record["image_id"]
    require_same(layout(built[name]), layout(bundle))


@pytest.mark.parametrize("name", EXAMPLES)
def test_buildah_ends_at_the_same_image_id_and_bytes(
    kiln: Kiln, built: dict[str, Path], name: str, tmp_path: Path
) -> None:
    program("buildah")
    bundle = copy_example(name, tmp_path / name)
    record = kiln("build", bundle, "--builder", "buildah", "--json").json
    assert record["builder"] == "buildah"
    assert record["engine_image_id"] != record["image_id"]
    require_same(layout(built[name]), layout(bundle))


def test_verify_builds_a_bundle_anew_and_finds_it_identical(kiln: Kiln, built: dict[str, Path]) -> None:
    [result] = kiln("verify", built["churn"], "--json").json["verified"]
    assert result["identical"]
    assert result["sources"] == "bundle churn 1.0.0"
    assert result["rebuilt"] == [
        {"builder": "native", "image_id": result["image_id"], "identical": True, "differences": []}
    ]


def test_an_image_is_built_anew_from_what_it_records_alone(
    engine_kiln: Kiln, built: dict[str, Path], tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(layout(built["triage"]), alone)
    ran = engine_kiln("verify", f"oci:{alone}", "--builder", "native", "--builder", "buildkit")
    assert "sources: recorded in the image" in ran.stdout
    assert [line.strip() for line in ran.stdout.splitlines()[2:]] == ["native: identical", "buildkit: identical"]


def test_an_image_in_a_registry_and_in_the_engine_is_verified_where_it_is(
    engine_kiln: Kiln, built: dict[str, Path], tmp_path: Path
) -> None:
    engine_kiln("test", built["triage"])
    record = json.loads((built["triage"] / "build" / "image.json").read_text())
    with docker_registry(tmp_path) as registry:
        pushed = engine_kiln("push", built["triage"], f"{registry.host}/models", "--json").json
        for name in (pushed["reference"], record["reference"]):
            [result] = engine_kiln("verify", name, "--sources", built["triage"], "--json").json["verified"]
            assert result["identical"]
            assert result["image_id"] == record["image_id"]
        same = engine_kiln("diff", record["reference"], pushed["reference"], "--exit-code")
        assert "identical: one and the same image" in same.stdout


def test_a_tampered_image_is_told_by_path_field_and_both_values(
    kiln: Kiln, built: dict[str, Path], tmp_path: Path
) -> None:
    changed = copy_example("churn", tmp_path / "churn")
    script = changed / "score.py"
    script.write_text(script.read_text() + "\nimport os\n")
    (changed / "features.py").chmod(0o755)
    kiln("build", changed)
    ran = kiln("verify", f"oci:{layout(changed)}", "--sources", built["churn"], "--json", code=7)
    [result] = ran.json["verified"]
    assert not result["identical"]
    found = {(one["path"], one["field"]): (one["want"], one["got"]) for one in result["rebuilt"][0]["differences"]}
    assert found["/opt/model/code/features.py", "mode"] == ("0644", "0755")
    assert ("/opt/model/code/score.py", "size") in found
    assert all(path.startswith("/opt/model/code/") for path, _ in found)


def test_bytes_added_by_hand_do_not_pass_for_recorded_sources(
    kiln: Kiln, built: dict[str, Path], tmp_path: Path
) -> None:
    """The tampered image is consistent in itself: umoci writes a layer of its own and names it."""
    umoci, edited = program("umoci"), tmp_path / "edited"
    shutil.copytree(layout(built["triage"]), edited)
    tag = next(
        one["annotations"]["org.opencontainers.image.ref.name"]
        for one in json.loads((edited / "index.json").read_text())["manifests"]
        if "oci" in one["mediaType"]
    )
    intruder = tmp_path / "intruder.py"
    intruder.write_text("print('hello')\n")
    target = "/opt/model/packages/sitecustomize.py"
    subprocess.run([umoci, "insert", "--image", f"{edited}:{tag}", str(intruder), target], check=True)
    assert "2 different images" in kiln("verify", edited, code=2).stderr
    ran = kiln("verify", f"oci:{edited}:{tag}", "--json", code=7)
    differences: list[dict[str, Any]] = ran.json["verified"][0]["rebuilt"][0]["differences"]
    assert differences[0]["field"] == "layer"
    assert differences[0]["want"] == "nothing"


def test_diff_tells_packages_code_schema_and_sizes(kiln: Kiln, built: dict[str, Path], tmp_path: Path) -> None:
    changed = copy_example("churn", tmp_path / "churn")
    schema = changed / "schema" / "request.json"
    schema.write_text(schema.read_text().replace('"maximum": 600', '"maximum": 480'))
    (changed / "features.py").write_text((changed / "features.py").read_text() + "# and more\n")
    text = (changed / "bundle.yaml").read_text().replace("version: 1.0.0", "version: 1.1.0")
    text = text.replace(
        "  requirements: requirements.txt", "  requirements: requirements.txt\n  variables: {DEPTH: '3'}"
    )
    (changed / "bundle.yaml").write_text(text)
    kiln("build", changed)
    ran = kiln("diff", built["churn"], changed, "--json")
    sections, schemas = ran.json["sections"], ran.json["schemas"]
    assert ran.json["breaking"]
    assert [one["name"] for one in sections["code"]] == ["features.py"]
    assert sections["environment"] == [{"name": "DEPTH", "kind": "added", "old": None, "new": "3"}]
    assert sections["python packages"] == sections["base"] == sections["model"] == []
    assert [one["path"] for one in schemas["request"]["changes"]] == ["$.tenure_months"]
    assert schemas["response"] == {"compatible": True, "changes": []}
    changed_layers = [layer["holds"].partition(":")[0] for layer in ran.json["layers"] if not layer["same"]]
    assert changed_layers == ["code"]
    other = kiln("diff", built["churn"], built["triage"], "--json").json["sections"]
    assert other["python packages"]


def test_what_is_no_image_is_refused_in_words(kiln: Kiln, tmp_path: Path) -> None:
    ran = kiln("verify", tmp_path, code=21)
    assert "no built image here" in ran.stderr
    ran = kiln("diff", "Not A Name", tmp_path, code=2)
    assert "neither a folder nor the name of an image" in ran.stderr
