"""Rows of the servers that judges' models run on, and of what they cost."""

from django.db import models


class Endpoint(models.Model):
    """An OpenAI-compatible server with one of its models.

    Prices and the cap are in one currency. A judge names its endpoints in its configuration.
    """

    slug = models.SlugField(unique=True)
    url = models.CharField(max_length=300)  # up to and with /v1
    # Never changes: the versions of judges name the endpoint, and mean this model.
    model = models.CharField(max_length=120)
    sealed_key = models.TextField(blank=True, editable=False)  # see judges.endpoints.keys
    timeout_seconds = models.PositiveSmallIntegerField(default=60)
    # For a million tokens; what a token costs in millionths is the same number.
    prompt_price = models.DecimalField(max_digits=10, decimal_places=4, default=0)
    completion_price = models.DecimalField(max_digits=10, decimal_places=4, default=0)
    monthly_cap = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    # Extras of the protocol that it understands; without them a judge reads the text alone.
    gives_schema = models.BooleanField(default=True)
    gives_logprobs = models.BooleanField(default=True)
    is_active = models.BooleanField(default=True)
    last_problem = models.CharField(max_length=300, blank=True, editable=False)
    last_problem_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.slug


class EndpointMonth(models.Model):
    """What an endpoint was asked in one month (UTC), and what that costs."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="months")
    month = models.DateField()  # its first day
    requests = models.PositiveBigIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    # Millionths of the currency. A request counts at its bound until its reply says its cost.
    cost_micros = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "month"], name="endpoint_once_a_month")
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} in {self.month:%Y-%m}"
