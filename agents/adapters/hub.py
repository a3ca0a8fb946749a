"""How base models are called outside: their names and licences on the Hugging Face hub. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HubModel:
    """A model of the hub; `licence` as the hub writes it, empty if it is not known here."""

    name: str
    licence: str = ""


_KNOWN = {
    "smollm2-135m-instruct": HubModel("HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0"),
}


def hub_model_of(served_name: str) -> HubModel | None:
    """The hub's model that is served under this name; None if that cannot be said.

    Sites that serve a model of the hub usually serve it under its name there.
    """
    if known := _KNOWN.get(served_name.rpartition("/")[2].lower()):
        return known
    publisher, slash, model = served_name.partition("/")
    return HubModel(served_name) if slash and publisher and model and "/" not in model else None
