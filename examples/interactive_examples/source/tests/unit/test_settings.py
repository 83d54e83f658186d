import json

from interactive_examples.settings import Build, read_build, settings


def test_environment_is_read():
    assert settings().release == "release-1"
    assert settings().allowed_origins == ("https://examples.test", "https://other.test")


def test_build_is_read_from_the_file(tmp_path):
    (tmp_path / "release.json").write_text(json.dumps({"version": "v1.2.3", "commit": "abc"}))
    assert read_build(tmp_path) == Build(version="v1.2.3", commit="abc")


def test_working_copy_has_no_build(tmp_path):
    assert read_build(tmp_path) == Build(version="dev", commit="dev")
