"""Passwords are kept as scrypt digests."""

import base64
import hashlib
import hmac
import secrets

COST, BLOCK_SIZE, PARALLEL = 2**14, 8, 1


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(16)
    return "$".join(("scrypt", _text(salt), _text(_digest(password, salt))))


def password_fits(password: str, stored: str | None) -> bool:
    # An unknown name takes as long as a wrong password: names cannot be found out by time.
    _, salt, digest = (stored or NOBODYS).split("$")
    fits = hmac.compare_digest(_digest(password, base64.b64decode(salt)), base64.b64decode(digest))
    return fits and stored is not None


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=COST, r=BLOCK_SIZE, p=PARALLEL)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


NOBODYS = hash_password("")
