"""Logging in and out."""

from fastapi import APIRouter, HTTPException, Request, Response

from interactive_examples import accounts, events
from interactive_examples.accounts import CurrentUser, OptionalUser, Token
from interactive_examples.clients import is_https
from interactive_examples.database import Database
from interactive_examples.rate_limit import forgive, limit
from interactive_examples.schemas import Account, Credentials, Problem, SessionState

router = APIRouter(prefix="/api", tags=["accounts"])

UNAUTHORIZED = {401: {"model": Problem, "description": "Nobody is logged in."}}


@router.post("/login", responses={401: {"model": Problem, "description": "The name or the password is wrong."}})
def login(body: Credentials, request: Request, response: Response, database: Database) -> Account:
    """Open a session; its token is set as a cookie."""
    attempts = limit("login", request, name=body.username)
    user = accounts.authenticate(database, body.username, body.password)
    if user is None:
        raise HTTPException(401, "The name or the password is wrong.")
    forgive(attempts)  # wrong passwords count, right ones do not
    token = accounts.open_session(database, user)
    events.record(database, "login", user)
    database.commit()
    response.set_cookie(
        accounts.COOKIE,
        token,
        max_age=int(accounts.LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=is_https(request),
    )
    return Account.model_validate(user)


@router.post("/logout", status_code=204, responses=UNAUTHORIZED)
def logout(response: Response, user: CurrentUser, token: Token, database: Database) -> None:
    """Close the session."""
    accounts.close_session(database, token or "")
    events.record(database, "logout", user)
    database.commit()
    response.delete_cookie(accounts.COOKIE, httponly=True, samesite="strict")


@router.get("/session", openapi_extra=accounts.WITHOUT_SESSION)
def show_session(user: OptionalUser) -> SessionState:
    """Who is logged in, if anybody is."""
    return SessionState(account=Account.model_validate(user) if user else None)
