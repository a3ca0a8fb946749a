"""A person without a browser: fills in the forms of the pages, over HTTP."""

import re
from html.parser import HTMLParser
from typing import Self

import httpx

from arena.tests.system.product import Product, wait_for

REQUEST_SECONDS = 30.0
MATCH_IN_URL = re.compile(r"/matches/(\d+)/")


class Person:
    """Signed up and with credits; use as a context manager."""

    def __init__(self, product: Product, name: str) -> None:
        self.name = name
        self._product = product
        self._http = httpx.Client(
            base_url=product.url, timeout=REQUEST_SECONDS, follow_redirects=True, trust_env=False
        )

    def __enter__(self) -> Self:
        account = {
            "username": self.name,
            "email": f"{self.name}@example.org",
            "password1": "correct-horse-battery",
        }
        self._send("/accounts/signup/", **account)
        self._send("/wallet/", amount="500")
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def create_agent(self, template: str, *, trains_by_itself: bool) -> int:
        page = self._send(f"/agents/new/?template={template}", name=f"{template} of {self.name}")
        agent_id = int(str(page.url).rstrip("/").rpartition("/")[2])
        if not trains_by_itself:
            self._send(f"/agents/{agent_id}/learning/", is_training_enabled=None)
        return agent_id

    def enter(self, agent_id: int, space: str) -> str:
        """The entry's address, which leads to its match."""
        page = self._send(f"/spaces/{space}/", to=f"/spaces/{space}/enter/", agent=str(agent_id))
        return str(page.url)

    def match_of(self, entry: str) -> int:
        """The match that the entry was seated in."""

        def look() -> re.Match[str] | None:
            return MATCH_IN_URL.search(str(self._http.get(entry).raise_for_status().url))

        return int(wait_for("a seat", look, seconds=60)[1])

    def train_now(self, agent_id: int, space_id: int) -> int:
        """The run's id."""
        page = self._post(f"/agents/{agent_id}/train/", space=str(space_id))
        assert "/runs/" in str(page.url), "training was refused"
        return int(str(page.url).rstrip("/").rpartition("/")[2])

    def _send(self, path: str, *, to: str = "", **changes: str | None) -> httpx.Response:
        """Fill in the page's form and submit it, there or to another address; None unchecks a box."""
        page = self._http.get(path).raise_for_status()
        fields = {**_fields(page.text), **changes}
        data = {name: value for name, value in fields.items() if value is not None}
        return self._http.post(to or page.url, data=data).raise_for_status()

    def _post(self, path: str, **data: str) -> httpx.Response:
        """Press a button, whose form is on every page of a person's agent."""
        token = _fields(self._http.get("/wallet/").raise_for_status().text)["csrfmiddlewaretoken"]
        return self._http.post(path, data={"csrfmiddlewaretoken": token, **data}).raise_for_status()


def _fields(page: str) -> dict[str, str]:
    reader = _FormReader()
    reader.feed(page)
    return reader.fields


class _FormReader(HTMLParser):
    """What a browser would submit if nobody touched the page's fields."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._area = self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        name = values.get("name", "")
        is_unchecked = values.get("type") in {"radio", "checkbox"} and "checked" not in values
        if tag == "input" and name and not is_unchecked:
            self.fields[name] = values.get("value", "on")
        elif tag == "textarea":
            self._area = name
            self.fields[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and ("selected" in values or self._select not in self.fields):
            self.fields[self._select] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.fields[self._area] += data
