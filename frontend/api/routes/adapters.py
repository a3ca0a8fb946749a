"""Adapters: LoRA weights that an owner takes home or brings in."""

from typing import IO, Annotated, Any, cast

from django.http import HttpRequest
from ninja import File, Form, Router, Status, UploadedFile

from agents.adapters.archive import SentFile
from agents.api_tokens import Scope
from frontend.api.edge import Problem, answers, needs, user_id
from frontend.api.values import IdempotencyKey, RowId, Text
from frontend.pages.downloads import zip_of
from training.adapters.uploading import upload_adapter
from training.runs.queries import RunView, run_view

router = Router()


@router.get(
    "/{agent_id}/versions/{version_id}/adapter",
    response=answers(None) | {206: None, 410: Problem, 416: None},
    **needs(Scope.READ, sends="application/zip", ranges=True),
    summary="A version’s adapter, as a zip file",
)
def download(request: HttpRequest, agent_id: RowId, version_id: RowId) -> Any:
    """The one folder in it is what `PeftModel.from_pretrained` and vLLM load, with a card.

    It takes ranges, and its `Repr-Digest` is that of the whole file. 410: the weights have been deleted to make
    room.
    """
    return zip_of(request, agent_id, version_id, user_id(request))


@router.post(
    "/{agent_id}/adapters",
    response=answers(RunView, status=201),
    **needs(Scope.TRAIN),
    summary="Upload an adapter as a new version",
)
def upload(
    request: HttpRequest,
    agent_id: RowId,
    files: File[list[UploadedFile]],
    space: Annotated[
        Text,
        Form(
            max_length=50,
            description="The slug of the Space whose gate judges it.",
            examples=["constraints"],
        ),
    ],
    idempotency_key: IdempotencyKey,
) -> Any:
    """Send `adapter_config.json` and `adapter_model.safetensors`, or one zip file with both, as `files`.

    Every tensor is checked first. The price of the gate is held, and comes back if you cancel the run before
    the gate has begun. The version plays once it has passed.
    """
    run = upload_adapter(
        user_id(request),
        agent_id=agent_id,
        space_slug=space,
        files=[SentFile(one.name or "", cast(IO[bytes], one.file)) for one in files],
        request_id=idempotency_key,
    )
    return Status(201, run_view(run.pk, viewer=user_id(request)))
