"""A person without a browser: fills in the forms of the pages, over HTTP."""

import re
from typing import Self

from arena.management.chaos.browser import Browser
from arena.tests.system.product import Product, wait_for

MATCH_IN_URL = re.compile(r"/matches/(\d+)/")
RUN_IN_URL = re.compile(r"/runs/(\d+)/")


class Person:
    """Signed up and with credits; use as a context manager."""

    def __init__(self, product: Product, name: str) -> None:
        self.name = name
        self._product = product
        self._browser = Browser(product.url)

    def __enter__(self) -> Self:
        account = {
            "username": self.name,
            "email": f"{self.name}@example.org",
            "password1": "correct-horse-battery",
        }
        self._browser.send("/accounts/signup/", **account)
        self._browser.send("/wallet/", amount="500")
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()

    def create_agent(self, template: str, **learning: str | None) -> int:
        """With these of its training settings changed; None unchecks a box."""
        page = self._browser.send(
            f"/agents/new/?template={template}", name=f"{template} of {self.name}"
        )
        agent_id = int(str(page.url).rstrip("/").rpartition("/")[2])
        self._browser.send(f"/agents/{agent_id}/learning/", to="", **learning)
        return agent_id

    def enter(self, agent_id: int, space: str) -> str:
        """The entry's address, which leads to its match."""
        page = self._browser.send(
            f"/spaces/{space}/", to=f"/spaces/{space}/enter/", agent=str(agent_id)
        )
        return str(page.url)

    def match_of(self, entry: str) -> int:
        """The match that the entry was seated in."""

        def look() -> re.Match[str] | None:
            return MATCH_IN_URL.search(str(self._browser.get(entry).raise_for_status().url))

        return int(wait_for("a seat", look, seconds=60)[1])

    def train_now(self, agent_id: int, space_id: int) -> int | None:
        """The run's id; None if it is refused."""
        page = self._browser.press(f"/agents/{agent_id}/train/", space=str(space_id))
        found = RUN_IN_URL.search(str(page.url))
        return int(found[1]) if found else None
