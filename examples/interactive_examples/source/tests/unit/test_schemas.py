import pytest
from pydantic import ValidationError

from interactive_examples.schemas import Credentials, NewResult, NewUser, RunRequest

RUN = {"language": "python", "code": "print(1)"}


def test_valid_run():
    request = RunRequest.model_validate(RUN)
    assert request.code == "print(1)"
    assert request.example is None


@pytest.mark.parametrize(
    "change",
    [
        {"language": "ruby"},
        {"language": None},
        {"code": 1},
        {"code": "x" * 20_001},
        {"code": "a\0b"},
        {"code": "\ud800"},
        {"code": ["print(1)"]},
        {"example": "No Slug"},
        {"example": "a" * 81},
        {"example": "../etc/passwd"},
        {"surplus": True},
    ],
)
def test_invalid_run(change):
    with pytest.raises(ValidationError):
        RunRequest.model_validate(RUN | change)


@pytest.mark.parametrize("name", ["", "a", "A", "-a", "a b", "a\0", "a" * 41, "' OR 1=1 --", 1])
def test_invalid_names(name):
    with pytest.raises(ValidationError):
        Credentials.model_validate({"username": name, "password": "secret"})


def test_new_passwords_are_long():
    with pytest.raises(ValidationError):
        NewUser.model_validate({"username": "ann", "password": "too short"})


@pytest.mark.parametrize("exit_code", [True, "0", 1.5, 256, -256])
def test_invalid_exit_codes(exit_code):
    result = {"example": "hello-python", "code": "", "stdout": "", "stderr": ""}
    with pytest.raises(ValidationError):
        NewResult.model_validate(result | {"exit_code": exit_code})
