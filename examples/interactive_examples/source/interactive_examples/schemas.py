"""What comes in and what goes out."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from interactive_examples.sandbox import OUTPUT_BYTES

LARGEST_ID = 2**31 - 1
SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
# PostgreSQL keeps no NUL character.
TEXT_PATTERN = r"^[^\u0000]*$"

Slug = Annotated[str, Field(max_length=80, pattern=SLUG_PATTERN, examples=["hello-python"])]
Code = Annotated[str, Field(max_length=20_000, pattern=TEXT_PATTERN)]
Output = Annotated[str, Field(max_length=OUTPUT_BYTES, pattern=TEXT_PATTERN)]
Username = Annotated[str, Field(min_length=2, max_length=40, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Password = Annotated[str, Field(min_length=1, max_length=200, pattern=TEXT_PATTERN)]
NewPassword = Annotated[str, Field(min_length=10, max_length=200, pattern=TEXT_PATTERN)]
Language = Literal["python", "javascript"]


def whole(value: Any) -> Any:
    """In JSON 3.0 is an integer too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Incoming(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Outgoing(BaseModel):
    model_config = ConfigDict(from_attributes=True, extra="forbid")


class RunRequest(Incoming):
    language: Language
    code: Code
    example: Slug | None = Field(default=None, description="The example that was run, for its popularity.")


class RunAnswer(Outgoing):
    stdout: str
    stderr: str
    exit_code: int
    timed_out: bool
    truncated: bool


class Credentials(Incoming):
    username: Username
    password: Password


class NewUser(Incoming):
    username: Username
    password: NewPassword


class NewResult(Incoming):
    example: Slug
    code: Code
    stdout: Output
    stderr: Output
    exit_code: Annotated[int, Field(ge=-255, le=255), BeforeValidator(whole)]


class ExampleSummary(Outgoing):
    slug: Slug
    title: str
    description: str
    language: Language


class ExampleDetail(ExampleSummary):
    code: str


class ExamplePopularity(Outgoing):
    slug: Slug
    runs: int


class Account(Outgoing):
    id: int
    username: str
    is_admin: bool


class SessionState(Outgoing):
    account: Account | None


class AccountDetail(Account):
    created_at: datetime


class Result(Outgoing):
    id: int
    example: Slug
    code: str
    stdout: str
    stderr: str
    exit_code: int
    created_at: datetime


class Activity(Outgoing):
    id: int
    kind: str
    user_id: int | None
    example_id: int | None
    request_id: str
    release: str
    created_at: datetime


class Version(Outgoing):
    version: str
    commit: str
    release: str


class Health(Outgoing):
    status: Literal["ok", "failing"]
    checks: dict[str, Literal["ok", "failing"]]


class Problem(Outgoing):
    message: str
    request_id: str
    problems: list[str] | None = Field(default=None, description="What is wrong with each field of the request.")


_any: TypeAdapter[Any] = TypeAdapter(Any)


def to_json(content: BaseModel | list[Any]) -> str:
    return _any.dump_json(content).decode()
