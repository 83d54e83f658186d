"""A visitor who asks for the site's version 50 times a second, however long the answers take."""

import asyncio
import json
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Self

import httpx

from tools.bench.figures import RATE, Answer

PATIENCE = 5.0  # seconds


@dataclass(frozen=True)
class Site:
    """``name``: what nginx knows the site by, where that is not its address."""

    address: str
    certificates: str
    own_address: str
    name: str = ""

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificates)

    def client(self) -> httpx.AsyncClient:
        # The server limits what one address may ask: this one is not the deployment's own.
        transport = httpx.AsyncHTTPTransport(verify=self.context, local_address=self.own_address)
        headers = {"Host": self.name} if self.name else {}
        return httpx.AsyncClient(
            base_url=f"https://{self.address}", transport=transport, headers=headers, timeout=PATIENCE, trust_env=False
        )


class Client:
    """``answers`` are complete once the block has ended."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask()), daemon=True)
        self.answers: list[Answer] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.answers.sort(key=lambda answer: answer.sent)

    async def _ask(self) -> None:
        began = time.monotonic()
        async with self._site.client() as client, asyncio.TaskGroup() as asked:
            number = 0
            while not self._over.is_set():
                asked.create_task(self._one(client))
                number += 1
                await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))

    async def _one(self, client: httpx.AsyncClient) -> None:
        sent = time.time()
        try:
            response = await client.get("/version")
            status, version = response.status_code, response.json()["version"] if response.is_success else ""
        except (httpx.HTTPError, json.JSONDecodeError, KeyError):
            status, version = 0, ""
        self.answers.append(Answer(sent, time.time(), status, version))
