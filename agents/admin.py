"""Administration of people and base models."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm

from agents.errors import Refused
from agents.inference.bases import checked_url
from agents.models import BaseModel, InferenceServer, User
from agents.names import TAKEN, name_key, stored_form


class _UsernameKey(forms.ModelForm):  # type: ignore[type-arg]
    """An administrator may give any name, such as "support", that nobody's looks like."""

    def clean_username(self) -> str:
        username = stored_form(self.cleaned_data["username"])
        others = User.objects.exclude(pk=self.instance.pk)
        if "username" in self.changed_data and (
            others.filter(username_key=name_key(username)).exists()
        ):
            raise forms.ValidationError(TAKEN)
        return username


class _NewUserForm(_UsernameKey, AdminUserCreationForm):  # type: ignore[type-arg]
    pass


class _UserForm(_UsernameKey, UserChangeForm):  # type: ignore[type-arg]
    pass


class _UserAdmin(UserAdmin):  # type: ignore[type-arg]
    form = _UserForm
    add_form: Any = _NewUserForm


admin.site.register(User, _UserAdmin)


class _ServerForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean_url(self) -> str:
        try:
            return checked_url(self.cleaned_data["url"])
        except Refused as refusal:
            raise forms.ValidationError(str(refusal)) from None


class _ServerInline(admin.TabularInline):  # type: ignore[type-arg]
    model = InferenceServer
    form = _ServerForm
    extra = 0
    fields = (
        "url",
        "is_shared",
        "version",
        "context_tokens",
        "is_away",
        "problem",
        "note",
        "asked_at",
    )
    readonly_fields = fields[1:]


@admin.register(BaseModel)
class BaseModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "served_name", "path", "context_tokens", "max_lora_rank", "is_active")
    inlines = (_ServerInline,)
