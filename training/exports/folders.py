"""Where the files of an export are."""

from pathlib import Path

from django.conf import settings


def export_folder(export_id: int) -> Path:
    return Path(settings.EXPORT_STORE) / str(export_id)
