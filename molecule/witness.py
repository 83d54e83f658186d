"""Who uses the example application while it is deployed, breaks and is taken back, and writes down what was promised and shown."""

import hashlib
import json
import re
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin

import httpx
from testimony import AWAY, HALF, WHOLE, Verdict, judge, kind_of, numbers

PERIOD = 0.05  # seconds between two rows, and between two looks where nothing else is said
# The application lets each person save 60 results a minute.
PEOPLE = 24
READERS = 4
# nginx lets an address ask 30 times a second; a look is four requests.
ADDRESSES = 8
PATIENCE = 5.0  # seconds; a visitor would have reloaded the page
MAINTENANCE_PAGE = "We are updating this site"
PAGE = '<div id="app">'
ASSET = re.compile(r'(?:src|href)="([^"]*assets/[^"]+)"')
AWAY_ERRORS = (httpx.ConnectError, httpx.TimeoutException)


class Person:
    """Somebody with an account, who saves results. A session outlives the witness, so that logging in is seldom needed."""

    def __init__(self, client: httpx.Client, name: str, password: str) -> None:
        self.client = client
        self.credentials = {"username": name, "password": password}

    def save(self, text: str) -> int:
        """The answer's status."""
        result = {"example": "hello-python", "code": "print(1)", "stdout": text, "stderr": "", "exit_code": 0}
        status = self.client.post("/api/results", json=result).status_code
        # A database that went back may not know the session any more. The row counts as not acknowledged.
        if status == httpx.codes.UNAUTHORIZED:
            self.client.post("/api/login", json=self.credentials)
        return status


class People:
    """The accounts that write, and the connections of those who read: made once, for as many witnesses as follow one another.

    ``addresses`` of this machine are those that the site sees: its limits are for each address.
    """

    def __init__(self, url: str, certificates: str | ssl.SSLContext, addresses: Sequence[str], admin_password: str) -> None:
        if len(addresses) < ADDRESSES:
            raise ValueError(f"{len(addresses)} addresses: the site's limits ask for {ADDRESSES}")
        context = ssl.create_default_context(cafile=certificates) if isinstance(certificates, str) else certificates

        def client(number: int) -> httpx.Client:
            transport = httpx.HTTPTransport(verify=context, local_address=addresses[number])
            return httpx.Client(base_url=url, transport=transport, timeout=PATIENCE, trust_env=False)

        self.readers = [client(number) for number in range(READERS)]
        password = hashlib.sha256(f"witness {admin_password}".encode()).hexdigest()
        others = ADDRESSES - READERS
        self.writers = [Person(client(READERS + number % others), f"witness-{number}", password) for number in range(PEOPLE)]
        self._admit(client(0), admin_password)

    def _admit(self, administrator: httpx.Client, password: str) -> None:
        with administrator:
            administrator.post("/api/login", json={"username": "admin", "password": password}).raise_for_status()
            for person in self.writers:
                made = administrator.post("/api/admin/users", json=person.credentials)
                if made.status_code != httpx.codes.CONFLICT:  # of an earlier time
                    made.raise_for_status()
                person.client.post("/api/login", json=person.credentials).raise_for_status()

    def close(self) -> None:
        for client in [*self.readers, *(person.client for person in self.writers)]:
            client.close()


class Witness:
    """Writes 20 numbered rows a second and looks at the site every ``looks`` seconds, for as long as its block lasts.

    ``written.jsonl`` and ``looks.jsonl`` in ``folder`` are flushed line by line.
    """

    def __init__(self, people: People, folder: Path, looks: float = PERIOD) -> None:
        self.mark = f"witness{secrets.token_hex(6)}"
        self._people = people
        self._looks = looks
        self._lock = threading.Lock()
        self._over = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = {name: folder / f"{name}.jsonl" for name in ("written", "looks")}

    def __enter__(self) -> Self:
        self._files = {name: path.open("w", buffering=1) for name, path in self._paths.items()}
        self._begun, began = time.time(), time.monotonic()
        writers: list[Callable[[int], None]] = [self._writer(person) for person in self._people.writers]
        readers: list[Callable[[int], None]] = [self._reader(client) for client in self._people.readers]
        self._pool = ThreadPoolExecutor(len(writers) + len(readers))
        self._acts = [
            self._pool.submit(self._take_turns, act, place, len(those), began, period)
            for those, period in ((writers, PERIOD), (readers, self._looks))
            for place, act in enumerate(those)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()
        self._ended = time.time()
        for file in self._files.values():
            file.close()
        for act in self._acts:
            act.result()  # what failed of the witness itself

    def verdict(
        self,
        serving: str,
        aside: Iterable[str] = (),
        exported: Path | None = None,
        *,
        versions: Collection[str],
        away_allowed: bool = False,
    ) -> Verdict:
        """``serving``: the rows of the database that serves, as text. ``aside``: those of databases that were set aside.

        ``exported``: a folder with files that rows were written to. ``versions`` are those that visitors may meet.
        """
        files = [file for file in exported.rglob("*") if file.is_file()] if exported else []
        kept = {number for text in [*aside, *(file.read_text() for file in files)] for number in numbers(self.mark, text)}
        written, looks = ([json.loads(line) for line in path.read_text().splitlines()] for path in self._paths.values())
        looks.sort(key=lambda look: look["at"])
        return judge(written, looks, numbers(self.mark, serving), kept, versions, away_allowed, self._begun, self._ended)

    def _take_turns(self, act: Callable[[int], None], place: int, of: int, began: float, period: float) -> None:
        """Act in each ``of``-th period, of so many seconds. Who is late leaves turns out, and is not followed by a crowd."""
        turn = place
        while not self._over.wait(max(0.0, began + turn * period - time.monotonic())):
            act(turn)
            late = int((time.monotonic() - began) / period) - turn
            turn += of * (max(late, 0) // of + 1)

    def _note(self, name: str, **line: Any) -> None:
        with self._lock:
            self._files[name].write(json.dumps(line) + "\n")

    def _writer(self, person: Person) -> Callable[[int], None]:
        def write(number: int) -> None:
            self._note("written", number=number, sent=time.time())
            try:
                answer: dict[str, Any] = {"status": person.save(f"{self.mark}-{number}")}
            except httpx.HTTPError as error:
                answer = {"error": repr(error)}
            self._note("written", number=number, answered=time.time(), **answer)

        return write

    def _reader(self, client: httpx.Client) -> Callable[[int], None]:
        def look(_: int) -> None:
            at, began = time.time(), time.monotonic()
            before, _text = ask(client, "/version")
            page, text = ask(client, "/") if before[0] != AWAY else (before, "")
            asset = None
            if page[0] == WHOLE:
                named = ASSET.findall(text)
                # The last one is a small one; a megabyte twenty times a second would keep the machine busy.
                asset = ask(client, urljoin("/", named[-1]))[0] if named else [HALF, "", "the page names no asset"]
            after = ask(client, "/version")[0] if page[0] != AWAY else page
            self._note("looks", at=at, seconds=time.monotonic() - began, before=before, page=page, asset=asset, after=after)

        return look


def ask(client: httpx.Client, path: str) -> tuple[list[str], str]:
    """The answer to it, as ``read_answer`` has it."""
    again = True
    while True:
        answered = False
        try:
            with client.stream("GET", path) as answer:
                answered = True
                answer.read()
            break
        except httpx.HTTPError as error:
            # A connection that was kept may end just as it is used again: browsers, too, then ask once more.
            if again and not answered and not isinstance(error, AWAY_ERRORS):
                again = False
                continue
            return [HALF if answered else AWAY, "", f"{path}: {error!r}"], ""
    return read_answer(path, answer.status_code, answer.content)


def read_answer(path: str, status: int, content: bytes) -> tuple[list[str], str]:
    """The answer as testimony has it, and its text."""
    text = content.decode(errors="replace")
    kind, what, detail = kind_of(status, text, MAINTENANCE_PAGE), hashlib.sha256(content).hexdigest()[:12], path
    if kind != WHOLE:
        return [kind, what, f"{path}: {status}" + (f" {text[:80]!r}" if kind == HALF else "")], text
    if path == "/version":
        try:
            what = detail = str(json.loads(text)["release"])
        except (ValueError, KeyError, TypeError):
            kind, detail = HALF, f"{path}: {text[:80]!r}"
    elif path == "/" and not (PAGE in text and text.rstrip().endswith("</html>")):
        kind, detail = HALF, f"{path}: half a page, {len(text)} characters"
    return [kind, what, detail], text
