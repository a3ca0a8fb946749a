"""A person's browser without a screen: reads a page's form, fills it in, and sends it until it is answered."""

import threading
import time
from collections.abc import Mapping
from html.parser import HTMLParser

import httpx

REQUEST_SECONDS = 30.0
ANSWERED_WITHIN_SECONDS = 120.0
RETRY_SECONDS = 0.5


class NeverAnswered(Exception):
    """A page that did not answer in all that time; the sentence says which and how."""


class Browser:
    """Sends each request again until the site answers it, as an impatient person does.

    A form that was sent twice is the same form: it has the same ids. `broken` counts what was
    not answered, `faults` what was answered by an error page of status 500.
    """

    def __init__(self, url: str) -> None:
        self.requests = self.broken = 0
        self.faults: list[str] = []
        self._never = threading.Event()
        self._http = httpx.Client(
            base_url=url, timeout=REQUEST_SECONDS, follow_redirects=True, trust_env=False
        )

    def close(self) -> None:
        self._http.close()

    def forget(self) -> None:
        """Drop the cookies, as a browser that another person uses next."""
        self._http.cookies.clear()

    def get(self, path: str) -> httpx.Response:
        return self._ask("GET", path)

    def post(self, path: str, data: Mapping[str, str]) -> httpx.Response:
        return self._ask("POST", path, data=data)

    def send(self, path: str, *, to: str = "", **changes: str | None) -> httpx.Response:
        """Fill in the page's form and submit it, there or to another address; None unchecks a box."""
        page = self.get(path)
        fields = {**form_fields(page.text), **changes}
        data = {name: value for name, value in fields.items() if value is not None}
        return self.post(to or str(page.url), data)

    def press(self, path: str, **data: str) -> httpx.Response:
        """A button whose form is on every page of somebody who is signed in."""
        token = form_fields(self.get("/wallet/").text).get("csrfmiddlewaretoken", "")
        return self.post(path, {"csrfmiddlewaretoken": token, **data})

    def _ask(self, method: str, path: str, **body: Mapping[str, str]) -> httpx.Response:
        deadline = time.monotonic() + ANSWERED_WITHIN_SECONDS
        why = ""
        while time.monotonic() < deadline:
            self.requests += 1
            try:
                answer = self._http.request(method, path, **body)  # type: ignore[arg-type]
            except httpx.HTTPError as error:
                why = type(error).__name__
            else:
                if answer.status_code < 500:
                    return answer
                why = f"status {answer.status_code}"
                if answer.status_code == 500:
                    self.faults.append(f"{method} {answer.url.path}")
            self.broken += 1
            self._never.wait(RETRY_SECONDS)
        raise NeverAnswered(f"{method} {path} was not answered: {why}.")


def form_fields(page: str) -> dict[str, str]:
    """What a browser would submit if nobody touched the page's fields, of all its forms together."""
    reader = _FormReader()
    reader.feed(page)
    return reader.fields


class _FormReader(HTMLParser):
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
