"""What an actor may do for a company, by the role of the actor's seat."""

from accounts.models import AccountManager, Company, Role, StandIn, User
from loyalty_portal.data.actor import Actor

_REDEEM = frozenset({Role.OWNER, Role.APPROVER, Role.BUYER})
APPROVING = frozenset({Role.OWNER, Role.APPROVER})


def may_redeem(actor: Actor) -> bool:
    """Whether they may fill a cart, and place and cancel orders."""
    return actor.seat is not None and actor.seat.role in _REDEEM


def may_approve(actor: Actor) -> bool:
    """Whether they may decide on orders above the threshold (never on their own). A key never may,
    whatever the role of its seat.
    """
    return actor.seat is not None and actor.seat.role in APPROVING and not actor.is_machine


def approves(seat: AccountManager) -> bool:
    """Whether the role of this seat includes to decide on orders. A key never does."""
    return may_approve(Actor.in_seat(seat))


def may_name_stand_in(actor: Actor, approver: AccountManager) -> bool:
    """Whether they may say who decides in the place of this approver: the approver alone, and no
    key.
    """
    own = actor.seat is not None and actor.seat.pk == approver.pk
    return own and may_approve(actor)


def may_end_stand_in(actor: Actor, stand_in: StandIn) -> bool:
    """Whether they may end that somebody stands in: the approver, and owners of the company."""
    if actor.is_machine:
        return False
    own = actor.seat is not None and actor.seat.pk == stand_in.approver_id
    return own or is_owner(actor, stand_in.approver.company)


def may_set_limits(actor: Actor, company: Company) -> bool:
    """Whether they may set how many points the company and its seats order: its owners, no key, and
    staff who may change companies.
    """
    own = is_owner(actor, company) and not actor.is_machine
    return own or actor.has_perm("accounts.change_company")


def may_see_codes(actor: Actor) -> bool:
    """Whether they may see virtual codes."""
    return may_redeem(actor)


def may_manage_staff(actor: Actor) -> bool:
    """Whether they may make staff, and put people into staff groups (never themselves)."""
    return actor.has_perm("accounts.manage_staff")


def may_give_access(actor: Actor, person: User) -> bool:
    """Whether they may say if this person is active, is staff, and in which staff groups."""
    return may_manage_staff(actor) and actor.user_id != person.pk


def may_change_person(actor: Actor, person: User) -> bool:
    """Whether they may change anything of this person.

    Superusers are changed by superusers only, and staff by those who manage staff. Others may do
    what the permission to change users allows. A machine is changed with its key only.
    """
    if person.is_machine:
        return False
    if person.is_superuser and not actor.is_superuser:
        return False
    if person.is_staff and not may_manage_staff(actor):
        return False
    return actor.has_perm("accounts.change_user")


def may_see_as(actor: Actor) -> bool:
    """Whether they may see the portal as a seat sees it, and change nothing there."""
    return actor.has_perm("accounts.see_as")


def acts_as_owner(actor: Actor) -> bool:
    """Whether their seat is that of an owner."""
    return actor.seat is not None and actor.seat.role == Role.OWNER


def is_owner(actor: Actor, company: Company) -> bool:
    """Whether they act as an owner of this company."""
    seat = actor.seat
    return seat is not None and seat.company_id == company.pk and acts_as_owner(actor)


def may_manage_members(actor: Actor) -> bool:
    """Whether they may look after the members of the company of their seat: its owners."""
    return acts_as_owner(actor)


def may_see_activity(actor: Actor, seat: AccountManager) -> bool:
    """Whether they may see what the person of a seat did for the company: its owners, and the
    person.
    """
    own = actor.seat is not None and actor.seat.pk == seat.pk
    return own or is_owner(actor, seat.company)


def may_change_rules(actor: Actor, company: Company) -> bool:
    """Whether they may change the company's rules, and who gets its letters: its owners."""
    return is_owner(actor, company) and not actor.is_machine


def may_manage_keys(actor: Actor) -> bool:
    """Whether they may look after the API keys of the company of their seat: its owners, and no
    key.
    """
    return may_manage_members(actor) and not actor.is_machine


def may_add_companies(actor: Actor) -> bool:
    """Whether they may take new client companies in."""
    return actor.has_perm("accounts.add_company")


def may_give_seats(actor: Actor, company: Company, role: str) -> bool:
    """Whether they may give, or invite to, a seat of this company with this role.

    Owners have all rights of the company, so they may give each role.
    """
    if role not in Role.values:
        return False
    return is_owner(actor, company) or actor.has_perm("accounts.add_accountmanager")


def may_manage_seat(actor: Actor, seat: AccountManager) -> bool:
    """Whether they may give this seat another role."""
    return is_owner(actor, seat.company) or actor.has_perm("accounts.change_accountmanager")


def may_switch_seat(actor: Actor, seat: AccountManager) -> bool:
    """Whether they may switch this seat off and on."""
    return is_owner(actor, seat.company) or actor.has_perm("accounts.switch_seats")


def may_send_reset(actor: Actor, person: User) -> bool:
    """Whether they may have a letter sent with which this person chooses a new password.

    For staff it needs whoever manages staff, for superusers another superuser. A machine has none.
    """
    if person.is_machine:
        return False
    if person.is_superuser and not actor.is_superuser:
        return False
    if person.is_staff and not may_manage_staff(actor):
        return False
    return actor.has_perm("accounts.send_reset")


def may_make_keys(actor: Actor, company: Company) -> bool:
    """Whether they may make and rotate API keys of this company: its owners, and no key."""
    return is_owner(actor, company) and not actor.is_machine


def may_revoke_keys(actor: Actor, company: Company) -> bool:
    """Whether they may revoke API keys of this company: its owners, and staff with that
    permission.
    """
    return may_make_keys(actor, company) or actor.has_perm("accounts.revoke_apikey")


def may_remove_factors(actor: Actor, person: User) -> bool:
    """Whether they may remove the second factor that this person has lost. Nobody removes their
    own so: they would not need it to.

    For staff it needs whoever manages staff, for superusers another superuser.
    """
    if actor.user_id == person.pk or (person.is_superuser and not actor.is_superuser):
        return False
    if person.is_staff and not may_manage_staff(actor):
        return False
    return actor.has_perm("accounts.remove_factors")
