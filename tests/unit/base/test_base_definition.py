from pathlib import Path

import pytest
import yaml

from builder.base.definition import read_definition
from builder.errors import BaseImageError
from builder.oci.platform import Platform


def test_a_definition_is_read(bases: Path) -> None:
    definition = read_definition("tiny", bases / "tiny/definition.yaml")
    assert definition.name == "tiny"
    assert [suite.archive for suite in definition.suites] == ["main", "security"]
    assert definition.platforms == (Platform("linux", "amd64"), Platform("linux", "arm64"))
    assert definition.cuts[0].package == "debconf"


def test_all_faults_of_a_definition_come_at_once(tmp_path: Path) -> None:
    path = tmp_path / "definition.yaml"
    path.write_text("distribution: gentoo\nplatforms: [linux/s390x]\nextra: 1\n")
    with pytest.raises(BaseImageError) as caught:
        read_definition("x", path)
    text = caught.value.render()
    for part in ("gentoo", "s390x", "extra", "'packages' is a required property", str(path)):
        assert part in text


@pytest.mark.parametrize("text", ["a: [", "", "- a list"])
def test_a_file_that_is_no_definition_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "definition.yaml"
    path.write_text(text)
    with pytest.raises(BaseImageError, match="definition"):
        read_definition("x", path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseImageError, match="cannot be read"):
        read_definition("x", tmp_path / "none.yaml")


def test_the_digest_moves_with_what_matters_and_with_nothing_else(bases: Path) -> None:
    path = bases / "tiny/definition.yaml"
    data = yaml.safe_load(path.read_text())
    before = read_definition("tiny", path).digest
    data["packages"] = list(reversed(data["packages"]))
    data["cut"][0]["reason"] = "other words"
    data["description"] = "words"
    path.write_text(yaml.safe_dump(data))
    assert read_definition("tiny", path).digest == before
    data["remove"] = [{"paths": ["usr/share/doc/*"], "reason": "words"}]
    path.write_text(yaml.safe_dump(data))
    assert read_definition("tiny", path).digest != before
