"""Administration of people and base models."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from agents.models import BaseModel, User

admin.site.register(User, UserAdmin)


@admin.register(BaseModel)
class BaseModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "served_name", "path", "is_active")
