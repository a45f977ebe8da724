"""The settings of how people sign in: django-allauth with its second factor."""

from datetime import timedelta
from typing import Any

_OFFICE = "100/m/ip"  # an office of many people behind one address


def sign_in_settings(brand_name: str) -> dict[str, Any]:
    """allauth's settings. `brand_name` is what authenticator apps show."""
    return {
        "ACCOUNT_ADAPTER": "accounts.access.adapter.ClosedSignupAdapter",
        "ACCOUNT_USER_MODEL_USERNAME_FIELD": None,
        "ACCOUNT_LOGIN_METHODS": {"email"},
        "ACCOUNT_SIGNUP_FIELDS": ["email*", "password1*", "password2*"],
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_LOGOUT_REDIRECT_URL": "account_login",
        "ACCOUNT_SESSION_REMEMBER": True,
        "ACCOUNT_EMAIL_SUBJECT_PREFIX": "",
        # accounts.access limits wrong passwords and codes; allauth's own limits are off.
        "ACCOUNT_RATE_LIMITS": {
            "login": None,
            "login_failed": None,
            "reset_password": f"{_OFFICE},5/m/key",
            "reset_password_from_key": _OFFICE,
        },
        "HEADLESS_CLIENTS": ("app",),  # accounts/access/app_urls.py mounts what is offered
        "HEADLESS_TOKEN_STRATEGY": "accounts.access.tokens.SessionTokens",
        "MFA_ADAPTER": "accounts.access.factors.kinds.FactorAdapter",
        "MFA_FORMS": {
            "authenticate": "accounts.access.factors.forms.CodeForm",
            "reauthenticate": "accounts.access.factors.forms.ConfirmByCodeForm",
            "activate_totp": "accounts.access.factors.forms.AppForm",
            "add_webauthn": "accounts.access.factors.forms.NewPasskeyForm",
            "login_webauthn": "accounts.access.factors.forms.SignInByPasskeyForm",
            "authenticate_webauthn": "accounts.access.factors.forms.PasskeyForm",
            "reauthenticate_webauthn": "accounts.access.factors.forms.ConfirmByPasskeyForm",
        },
        "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
        # Nobody signs up: addresses come from staff and from invitations. Without this, whoever has
        # ever asked for a new password could set up none, since allauth notes their address then.
        "MFA_ALLOW_UNVERIFIED_EMAIL": True,
        "MFA_PASSKEY_LOGIN_ENABLED": True,
        "MFA_RECOVERY_CODES_SHOW_ONCE": True,
        "MFA_TRUST_ENABLED": True,
        "MFA_TRUST_COOKIE_AGE": timedelta(days=14),
        "MFA_TOTP_ISSUER": brand_name,
        "MFA_TOTP_TOLERANCE": 1,  # steps of 30 s: clocks of phones differ
        # Nothing can be guessed here, so a whole office may sign in from one address at once.
        "MFA_RATE_LIMITS": {"webauthn_login": "60/m/ip"},
    }
