"""Who is logged in. The cookie holds a random token; the database holds its keyed digest."""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, HTTPException, Security
from fastapi.security import APIKeyCookie
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, joinedload

from interactive_examples.database import Database
from interactive_examples.models import User, UserSession
from interactive_examples.passwords import password_fits
from interactive_examples.settings import settings

COOKIE = "session"
ADMIN = "admin"
LIFETIME = timedelta(hours=12)

cookie = APIKeyCookie(name=COOKIE, scheme_name="session", auto_error=False)
Token = Annotated[str | None, Security(cookie)]


def authenticate(database: Session, username: str, password: str) -> User | None:
    user = database.scalar(select(User).where(User.username == username))
    if username == ADMIN:
        expected = settings().admin_password
        fits = bool(expected) and hmac.compare_digest(password.encode(), expected.encode())
    else:
        fits = password_fits(password, user.password_hash if user else None)
    return user if fits else None


def open_session(database: Session, user: User) -> str:
    token = secrets.token_urlsafe(32)
    expires_at = datetime.now(UTC) + LIFETIME
    database.add(UserSession(token_hash=_digest(token), user_id=user.id, expires_at=expires_at))
    return token


def close_session(database: Session, token: str) -> None:
    database.execute(delete(UserSession).where(UserSession.token_hash == _digest(token)))


def optional_user(token: Token, database: Database) -> User | None:
    if not token:
        return None
    session = database.scalar(
        select(UserSession).options(joinedload(UserSession.user)).where(UserSession.token_hash == _digest(token))
    )
    return session.user if session and session.expires_at > datetime.now(UTC) else None


# For the OpenAPI document of operations that people may use without a session, too.
WITHOUT_SESSION = {"security": [{}]}
OptionalUser = Annotated[User | None, Depends(optional_user)]


def current_user(user: OptionalUser) -> User:
    if user is None:
        raise HTTPException(401, "Log in first.")
    return user


CurrentUser = Annotated[User, Depends(current_user)]


def administrator(user: CurrentUser) -> User:
    if not user.is_admin:
        raise HTTPException(403, "Only administrators may do this.")
    return user


Administrator = Annotated[User, Depends(administrator)]


def _digest(token: str) -> str:
    return hmac.new(settings().secret_key.encode(), token.encode(), hashlib.sha256).hexdigest()
