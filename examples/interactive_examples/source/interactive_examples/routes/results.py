"""The results that a person has saved. Nobody else sees them."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from interactive_examples import events
from interactive_examples.accounts import CurrentUser
from interactive_examples.database import Database
from interactive_examples.models import Example, SavedResult, User
from interactive_examples.rate_limit import limit
from interactive_examples.routes.accounts import UNAUTHORIZED
from interactive_examples.schemas import LARGEST_ID, NewResult, Problem, Result

router = APIRouter(prefix="/api/results", tags=["results"])

NEWEST = 100
NOT_FOUND = {404: {"model": Problem, "description": "There is no such result."}}
Identifier = Annotated[int, Path(ge=1, le=LARGEST_ID)]


@router.get("", responses=UNAUTHORIZED)
def list_results(user: CurrentUser, database: Database) -> list[Result]:
    """One's own results, the newest first."""
    query = (
        select(SavedResult)
        .options(joinedload(SavedResult.example))
        .where(SavedResult.user_id == user.id)
        .order_by(SavedResult.id.desc())
        .limit(NEWEST)
    )
    return [_outgoing(result) for result in database.scalars(query)]


@router.post("", status_code=201, responses=UNAUTHORIZED | NOT_FOUND)
def save_result(body: NewResult, request: Request, user: CurrentUser, database: Database) -> Result:
    """Keep a result."""
    limit("save", request, user)
    example = database.scalar(select(Example).where(Example.slug == body.example))
    if example is None:
        raise HTTPException(404, "There is no such example.")
    result = SavedResult(
        user_id=user.id,
        example=example,
        code=body.code,
        stdout=body.stdout,
        stderr=body.stderr,
        exit_code=body.exit_code,
    )
    database.add(result)
    events.record(database, "result_saved", user, example.id)
    database.commit()
    database.refresh(result, ["created_at"])
    return _outgoing(result)


@router.get("/{result_id}", responses=UNAUTHORIZED | NOT_FOUND)
def show_result(result_id: Identifier, user: CurrentUser, database: Database) -> Result:
    """One of one's own results."""
    return _outgoing(_own(database, user, result_id))


@router.delete("/{result_id}", status_code=204, responses=UNAUTHORIZED | NOT_FOUND)
def delete_result(result_id: Identifier, user: CurrentUser, database: Database) -> None:
    """Remove one of one's own results."""
    result = _own(database, user, result_id)
    events.record(database, "result_deleted", user, result.example_id)
    database.delete(result)
    database.commit()


def _own(database: Session, user: User, result_id: int) -> SavedResult:
    result = database.get(SavedResult, result_id)
    if result is None or result.user_id != user.id:
        raise HTTPException(404, "There is no such result.")
    return result


def _outgoing(result: SavedResult) -> Result:
    return Result(
        id=result.id,
        example=result.example.slug,
        code=result.code,
        stdout=result.stdout,
        stderr=result.stderr,
        exit_code=result.exit_code,
        created_at=result.created_at,
    )
