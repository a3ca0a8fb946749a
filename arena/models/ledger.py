"""Double-entry accounts and immutable transfers. Amounts are integer credits."""

from enum import StrEnum

from django.db import models
from django.db.models import F, Q


class AccountKind(StrEnum):
    """What an account stands for."""

    USER = "user"
    ESCROW = "escrow"  # one per Space and per tournament: fees in, prizes and rake out
    HOUSE = "house"  # the house's own stake in matches
    FEES = "fees"  # the arena's rake
    ISSUANCE = "issuance"  # where sandbox credits come from

    @property
    def may_overdraw(self) -> bool:
        return self in {AccountKind.HOUSE, AccountKind.ISSUANCE}


class Account(models.Model):
    """Running sums, next to the transfers that prove them; `ledger_audit` re-adds both."""

    kind = models.CharField(max_length=10, choices=[(k.value, k.value) for k in AccountKind])
    # "user:12", "space:3" and "tournament:7" (their escrows), "house", "fees", "issuance"
    key = models.CharField(max_length=80, unique=True)
    owner = models.OneToOneField(
        "agents.User", on_delete=models.PROTECT, null=True, blank=True, related_name="account"
    )
    may_overdraw = models.BooleanField(default=False)
    debits_posted = models.BigIntegerField(default=0)
    credits_posted = models.BigIntegerField(default=0)
    debits_pending = models.BigIntegerField(default=0)
    credits_pending = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(may_overdraw=True)
                | Q(credits_posted__gte=F("debits_posted") + F("debits_pending")),
                name="account_not_overdrawn",
            ),
            models.CheckConstraint(
                condition=Q(debits_posted__gte=0)
                & Q(credits_posted__gte=0)
                & Q(debits_pending__gte=0)
                & Q(credits_pending__gte=0),
                name="account_sums_not_negative",
            ),
        ]
        indexes = [
            # The few that are not a person's, which the figures of the site add up.
            models.Index(
                fields=["kind"], condition=~Q(kind=AccountKind.USER), name="account_of_the_site"
            ),
        ]

    def __str__(self) -> str:
        return self.key


class TransferKind(StrEnum):
    """What a transfer does to its two accounts."""

    POSTED = "posted"
    PENDING = "pending"  # a hold
    POST = "post"  # turns a hold, or a part of it, into a posted transfer and releases the rest
    VOID = "void"  # releases a hold


class TransferCode(StrEnum):
    """Why credits moved."""

    TOP_UP = "top_up"
    ENTRY_FEE = "entry_fee"
    PRIZE = "prize"
    RAKE = "rake"
    REFUND = "refund"
    TRAINING = "training"
    SEASON = "season"  # a prize from the rake of a month
    APPEAL = "appeal"
    BOUNTY = "bounty"  # a fee for an attack on a judge, or its prize
    FORFEIT = "forfeit"  # left behind by a person who leaves
    TALK = "talk"  # to a version of one's own


class Transfer(models.Model):
    """One immutable movement of credits. The client chooses the id: a replay is "exists"."""

    id = models.UUIDField(primary_key=True, editable=False)
    kind = models.CharField(max_length=10, choices=[(k.value, k.value) for k in TransferKind])
    debit = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="debits")
    credit = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="credits")
    amount_credits = models.BigIntegerField()
    code = models.CharField(max_length=12, choices=[(c.value, c.value) for c in TransferCode])
    # The hold that a POST or VOID resolves; a hold is resolved once.
    pending = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="resolution"
    )
    # What it belongs to: "match:12", "entry:5", "tournament:7". Plain text, so that the ledger knows no match.
    reference = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_credits__gt=0), name="transfer_amount_positive"
            ),
            models.CheckConstraint(
                condition=~Q(debit=F("credit")), name="transfer_between_two_accounts"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["posted", "pending"], pending__isnull=True)
                | Q(kind__in=["post", "void"], pending__isnull=False),
                name="transfer_resolution_names_its_hold",
            ),
        ]
        indexes = [
            models.Index(fields=["reference"]),
            # A statement reads each side's newest.
            models.Index(fields=["debit", "created_at", "id"], name="transfer_newest_debits"),
            models.Index(fields=["credit", "created_at", "id"], name="transfer_newest_credits"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.amount_credits}"
