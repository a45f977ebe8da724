"""People, companies and their seats."""

from typing import Any

import factory
from django.utils import timezone

from accounts.models import AccountManager, Company, KnownBalance, Role, TierLevel, User

PASSWORD = "correct horse battery staple"


class CompanyFactory(factory.django.DjangoModelFactory[Company]):
    """A company of the lowest tier. `balance=N` sets the last known balance."""

    class Meta:
        model = Company
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Company {n}")
    loyalty_account_id = factory.Sequence(lambda n: f"ACC-{n:05}")

    class Params:
        silver = factory.Trait(tier_level=TierLevel.SILVER)
        gold = factory.Trait(tier_level=TierLevel.GOLD)
        platinum = factory.Trait(tier_level=TierLevel.PLATINUM)
        inactive = factory.Trait(is_active=False)

    @factory.post_generation
    def balance(self: Company, _create: bool, extracted: int | None, **_kwargs: Any) -> None:
        if extracted is not None:
            now = timezone.now()
            KnownBalance.objects.create(company=self, points=extracted, as_of=now, fetched_at=now)


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A person. The password is PASSWORD unless `password=` is given."""

    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"person{n}@example.test")
    name = factory.Sequence(lambda n: f"Person {n}")

    class Params:
        staff = factory.Trait(is_staff=True)
        superuser = factory.Trait(is_staff=True, is_superuser=True)
        inactive = factory.Trait(is_active=False)

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:  # noqa: ARG003
        return User.objects.create_user(password=kwargs.pop("password", PASSWORD), **kwargs)


class SeatFactory(factory.django.DjangoModelFactory[AccountManager]):
    """A buyer's seat. Traits give the other roles."""

    class Meta:
        model = AccountManager

    company = factory.SubFactory(CompanyFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.BUYER

    class Params:
        owner = factory.Trait(role=Role.OWNER)
        approver = factory.Trait(role=Role.APPROVER)
        viewer = factory.Trait(role=Role.VIEWER)
        inactive = factory.Trait(is_active=False)
