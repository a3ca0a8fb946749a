"""The form of a webhook."""

from django import forms

from arena.states import MAX_HOOK_URL_CHARS, HookEvent
from frontend.forms import PlainForm

EVENT_WORDS = {
    HookEvent.MATCH_FINISHED: "A match of my agents is settled, or cancelled",
    HookEvent.RUN_DECIDED: "A training run of mine is adopted, offered, rejected or fails",
    HookEvent.TOURNAMENT_ENDED: "A tournament that I registered for ends",
    HookEvent.EXPORT_FINISHED: "An export of mine is ready, or fails",
}


class HookForm(PlainForm):
    """A new webhook."""

    url = forms.CharField(
        label="Address",
        max_length=MAX_HOOK_URL_CHARS,
        help_text="Of a server of yours, beginning with https://.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url"}),
    )
    events = forms.MultipleChoiceField(
        label="Tell it when",
        required=False,  # arena.webhooks.hooks has a better sentence than Django
        choices=[(event.value, words) for event, words in EVENT_WORDS.items()],
        initial=[event.value for event in EVENT_WORDS],
        widget=forms.CheckboxSelectMultiple(
            attrs={"class": "checkbox checkbox-sm checkbox-primary mt-0.5"}
        ),
    )

    def wanted(self) -> list[HookEvent]:
        return [HookEvent(event) for event in self.cleaned_data["events"]]
