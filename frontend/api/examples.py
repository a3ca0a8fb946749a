"""A call of each operation as one types it into a shell, from the API's own document."""

import json
from collections.abc import Mapping
from typing import Any

SITE = "$RLFC_URL"
KEY = "$(uuidgen)"  # of version 4, on Linux and on macOS


def example_of(document: Mapping[str, Any], method: str, path: str) -> str:
    """A `curl` line, with the examples that the document gives for values and bodies."""
    operation = document["paths"][path][method]
    words = ["curl"]
    if method.upper() != "GET":
        words += ["-X", method.upper()]
    if operation.get("security"):
        words += ["-H", '"Authorization: Bearer $RLFC_TOKEN"']
    for one in operation["parameters"]:
        if one["in"] == "path":
            shown = one["schema"].get("examples", [one["name"].upper()])[0]
            path = path.replace(f"{{{one['name']}}}", str(shown))
        elif one["in"] == "header" and one.get("required"):
            words += ["-H", f'"{one["name"]}: {KEY}"']
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        words += _body(document, kind, media["schema"])
    return " ".join([*words, f"{SITE}{path}"])


def body_example(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """Of a body in JSON; None if its schema gives none."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"].get(name, schema).get("example")


def _body(document: Mapping[str, Any], kind: str, schema: Mapping[str, Any]) -> list[str]:
    if kind == "multipart/form-data":
        parts = schema.get("properties", {}).items()
        return [word for name, one in parts for word in ("-F", f"{name}={_part(name, one)}")]
    head = ["-H", f'"Content-Type: {kind}"']
    if kind != "application/json":
        return [*head, "--data-binary", "@FILE"]
    return [*head, "-d", f"'{json.dumps(body_example(document, schema) or {})}'"]


def _part(name: str, schema: Mapping[str, Any]) -> str:
    if schema.get("items", schema).get("format") == "binary":
        return "@FILE"
    return str(schema.get("examples", [name.upper()])[0])
