"""The examples that a person has marked."""

from fastapi import APIRouter, HTTPException, Request
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from interactive_examples import events
from interactive_examples.accounts import CurrentUser
from interactive_examples.database import Database
from interactive_examples.models import Example, Favourite
from interactive_examples.rate_limit import limit
from interactive_examples.routes.accounts import UNAUTHORIZED
from interactive_examples.routes.examples import NOT_FOUND, SlugInPath
from interactive_examples.schemas import Favourite as FavouriteAnswer
from interactive_examples.schemas import NewFavourite

router = APIRouter(prefix="/api/favourites", tags=["favourites"], responses=UNAUTHORIZED)


@router.get("")
def list_favourites(user: CurrentUser, database: Database) -> list[FavouriteAnswer]:
    """One's own favourites, the newest first."""
    query = (
        select(Example.slug, Favourite.created_at)
        .join(Favourite, Favourite.example_id == Example.id)
        .where(Favourite.user_id == user.id)
        .order_by(Favourite.created_at.desc())
    )
    return [FavouriteAnswer(example=slug, created_at=created_at) for slug, created_at in database.execute(query)]


@router.post("", status_code=204, responses=NOT_FOUND)
def add_favourite(body: NewFavourite, request: Request, user: CurrentUser, database: Database) -> None:
    """Mark an example; marking it again changes nothing."""
    limit("save", request, user)
    example_id = database.scalar(select(Example.id).where(Example.slug == body.example))
    if example_id is None:
        raise HTTPException(404, "There is no such example.")
    added = database.scalar(
        insert(Favourite)
        .values(user_id=user.id, example_id=example_id)
        .on_conflict_do_nothing()
        .returning(Favourite.example_id)
    )
    if added is not None:
        events.record(database, "favourite_added", user, example_id)
    database.commit()


@router.delete("/{slug}", status_code=204, responses=NOT_FOUND)
def remove_favourite(slug: SlugInPath, user: CurrentUser, database: Database) -> None:
    """Take the mark away."""
    example_id = select(Example.id).where(Example.slug == slug).scalar_subquery()
    removed = database.scalar(
        delete(Favourite)
        .where(Favourite.user_id == user.id, Favourite.example_id == example_id)
        .returning(Favourite.example_id)
    )
    if removed is None:
        raise HTTPException(404, "This example is not marked.")
    events.record(database, "favourite_removed", user, removed)
    database.commit()
