"""The built frontend. Names of assets carry their digest, so browsers may keep them; pages are asked for anew."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import FileResponse, HTMLResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from interactive_examples import documents
from interactive_examples.accounts import Administrator
from interactive_examples.routes.accounts import UNAUTHORIZED
from interactive_examples.routes.admin import FORBIDDEN
from interactive_examples.schemas import SLUG_PATTERN, Problem
from interactive_examples.settings import ROOT

DIST = ROOT / "frontend" / "dist"
NOT_FOUND = {404: {"model": Problem, "description": "There is no such document."}}
HTML = {200: {"content": {"text/html": {}}}}

router = APIRouter(tags=["pages"], default_response_class=FileResponse)


@router.get("/", responses=HTML)
def front_page() -> FileResponse:
    """The examples."""
    return _file("index.html")


@router.get("/admin", responses=HTML | UNAUTHORIZED | FORBIDDEN)
def admin_page(administrator: Administrator) -> FileResponse:
    """Users and activity, for administrators."""
    return _file("admin.html")


@router.get("/favicon.ico", responses={200: {"content": {"image/svg+xml": {}}}})
def icon() -> FileResponse:
    """The icon that browsers ask for by this name, whatever page they show."""
    return _file("icon.svg")


@router.get("/docs/{name}", response_class=Response, responses=HTML | NOT_FOUND)
def document(name: Annotated[str, Path(max_length=40, pattern=SLUG_PATTERN)]) -> HTMLResponse:
    """A document of this version: api, deployment, maintenance, system or user-guide."""
    content = documents.render(name)
    if content is None:
        raise HTTPException(404, "There is no such document.")
    return HTMLResponse(content, headers={"Cache-Control": "no-cache"})


def _file(name: str) -> FileResponse:
    if not (DIST / name).is_file():
        raise HTTPException(503, "The frontend is not built.")
    return FileResponse(DIST / name, headers={"Cache-Control": "no-cache"})


class Assets(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


assets = Assets(directory=DIST / "assets", check_dir=False)
