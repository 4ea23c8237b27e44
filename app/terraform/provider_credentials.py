"""Which secrets a provider signs in with, and the way on which each reaches it without standing in a plan.

All instances of a run have one environment, so an environment variable is the default instance's. AWS alone reads
credentials from a file by the name of a profile, so each of its instances can have some of its own.
"""

from __future__ import annotations

import re

AWS = "aws"
AWS_CREDENTIALS = ("access_key", "secret_key", "token")
# From the documentation of each provider: argument -> environment variable.
ENVIRONMENT: dict[str, dict[str, str]] = {
    "azurerm": {
        "client_id": "ARM_CLIENT_ID",
        "client_secret": "ARM_CLIENT_SECRET",
        "tenant_id": "ARM_TENANT_ID",
        "subscription_id": "ARM_SUBSCRIPTION_ID",
    },
    "cloudflare": {"api_token": "CLOUDFLARE_API_TOKEN"},
    "digitalocean": {"token": "DIGITALOCEAN_TOKEN"},
    "github": {"token": "GITHUB_TOKEN"},
    "google": {"credentials": "GOOGLE_CREDENTIALS"},
    "google-beta": {"credentials": "GOOGLE_CREDENTIALS"},
    "hcloud": {"token": "HCLOUD_TOKEN"},
    "vault": {"token": "VAULT_TOKEN"},
}
_FIELD = re.compile(r"[\x21-\x7e]+\Z")  # of a file of profiles: one word


def names_of(provider: str, alias: str) -> tuple[str, ...]:
    """Return the names of the credentials that an instance can have, in the order of a form."""
    if provider == AWS:
        return AWS_CREDENTIALS
    return () if alias else tuple(ENVIRONMENT.get(provider, ()))


def why_none(provider: str, alias: str) -> str:
    """Say what to do instead, for an instance that can have no credentials here."""
    if alias and provider in ENVIRONMENT:
        return (
            f"{provider} finds its credentials in its environment, which all of its instances share. Set those of the "
            f"default instance here, and give {provider}.{alias} its own by a sensitive variable of the configuration."
        )
    if alias:
        return f"Give {provider}.{alias} its credentials by a sensitive variable of the configuration."
    return (
        f"How {provider} finds its credentials is not known here. Set what it reads from its environment under "
        "Environment of providers, or use a sensitive variable of the configuration."
    )


def problem_of(provider: str, name: str, text: str) -> str | None:
    """Return what is wrong with one credential beside its length."""
    if provider == AWS and not _FIELD.match(text):
        return f"{name} is one word without blanks."
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        return f"{name} has a character that no environment variable can hold."
    return None


def profile_of(alias: str) -> str:
    """Return the name of the profile that an instance of AWS signs in with."""
    return f"millwright-{alias}" if alias else "millwright"
