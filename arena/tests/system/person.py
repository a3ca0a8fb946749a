"""A person without a browser: fills in the forms of the pages, over HTTP."""

import re
from typing import Self

from arena.management.chaos.browser import Browser
from arena.tests.system.product import Product, wait_for

MATCH_IN_URL = re.compile(r"/matches/(\d+)/")


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

    def create_agent(self, template: str, *, trains_by_itself: bool) -> int:
        page = self._browser.send(
            f"/agents/new/?template={template}", name=f"{template} of {self.name}"
        )
        agent_id = int(str(page.url).rstrip("/").rpartition("/")[2])
        if not trains_by_itself:
            self._browser.send(f"/agents/{agent_id}/learning/", is_training_enabled=None)
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

    def train_now(self, agent_id: int, space_id: int) -> int:
        """The run's id."""
        page = self._browser.press(f"/agents/{agent_id}/train/", space=str(space_id))
        assert "/runs/" in str(page.url), "training was refused"
        return int(str(page.url).rstrip("/").rpartition("/")[2])
