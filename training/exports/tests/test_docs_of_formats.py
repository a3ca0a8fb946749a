"""docs/datasets.md tells every format and every column."""

from pathlib import Path

from training.exports.formats import FORMATS
from training.exports.formats.columns import described

DOCUMENT = Path(__file__).parents[3] / "docs" / "datasets.md"


def test_every_column_of_every_format_stands_in_the_document_as_it_is() -> None:
    text = DOCUMENT.read_text()
    for one in FORMATS.values():
        section = text.partition(f"### `{one.name}`: {one.label}\n")[2].partition("\n### ")[0]
        for column in one.columns:
            line = f"| `{column.name}` | `{described(column.type)}` | {column.meaning} |"
            assert line in section, (one.name, column.name)
