"""What administrators do."""

from fastapi import APIRouter, HTTPException
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from interactive_examples import events
from interactive_examples.accounts import Administrator
from interactive_examples.database import Database
from interactive_examples.models import Event, User
from interactive_examples.passwords import hash_password
from interactive_examples.routes.accounts import UNAUTHORIZED
from interactive_examples.routes.results import Identifier
from interactive_examples.schemas import AccountDetail, Activity, NewUser, Problem

FORBIDDEN = {403: {"model": Problem, "description": "Only administrators may do this."}}
router = APIRouter(prefix="/api/admin", tags=["admin"], responses=UNAUTHORIZED | FORBIDDEN)

NEWEST = 100


@router.get("/users")
def list_users(administrator: Administrator, database: Database) -> list[AccountDetail]:
    """Everybody who can log in."""
    return [AccountDetail.model_validate(user) for user in database.scalars(select(User).order_by(User.id))]


@router.post("/users", status_code=201, responses={409: {"model": Problem, "description": "The name is taken."}})
def create_user(body: NewUser, administrator: Administrator, database: Database) -> AccountDetail:
    """Let somebody log in."""
    user = User(username=body.username, password_hash=hash_password(body.password))
    database.add(user)
    try:
        database.flush()
    except IntegrityError as error:
        raise HTTPException(409, "The name is taken.") from error
    events.record(database, "user_created", administrator)
    database.commit()
    database.refresh(user)
    return AccountDetail.model_validate(user)


@router.delete(
    "/users/{user_id}",
    status_code=204,
    responses={
        404: {"model": Problem, "description": "There is no such user."},
        409: {"model": Problem, "description": "Administrators cannot be removed."},
    },
)
def delete_user(user_id: Identifier, administrator: Administrator, database: Database) -> None:
    """Remove somebody with everything that they saved."""
    user = database.get(User, user_id)
    if user is None:
        raise HTTPException(404, "There is no such user.")
    if user.is_admin:
        raise HTTPException(409, "Administrators cannot be removed.")
    events.record(database, "user_deleted", administrator)
    database.delete(user)
    database.commit()


@router.get("/activity")
def list_activity(administrator: Administrator, database: Database) -> list[Activity]:
    """What happened last, the newest first."""
    query = select(Event).order_by(Event.id.desc()).limit(NEWEST)
    return [Activity.model_validate(event) for event in database.scalars(query)]
