"""What users of the example application do, once they have logged in."""

import uuid

import httpx


def save(user: httpx.Client) -> str:
    """Save a result as the user and return the text by which it is known."""
    text = uuid.uuid4().hex
    result = {"example": "hello-python", "code": "print(1)", "stdout": text, "stderr": "", "exit_code": 0}
    user.post("/api/results", json=result).raise_for_status()
    return text


def saved(user: httpx.Client) -> str:
    return user.get("/api/results").raise_for_status().text
