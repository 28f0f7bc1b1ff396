"""What somebody signs in with: an e-mail address or a phone number, and a password. The rules for each."""

import hashlib
import re
import unicodedata
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from moocflix.contracts.users import AccountState
from moocflix.platform.errors import Forbidden, Invalid, TooMany, Unauthorized
from moocflix.services.users.settings import UsersSettings

MIN_PASSWORD = 8
MAX_PASSWORD = 1024
MAX_EMAIL = 254
MAX_LOCAL_PART = 64

_LOCAL = re.compile(r"[^\s@\"(),:;<>\[\\\]\x00-\x1f\x7f-\x9f]+\Z")
_LABEL = re.compile(r"(?!-)[^\W_](?:[\w-]{0,61}[^\W_])?\Z")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}\Z")
_PHONE_FILLING = re.compile(r"[\s().-]")

# Those that head every list of leaked passwords and are long enough to be allowed otherwise.
COMMON_PASSWORDS = frozenset(
    """
    00000000 11111111 12341234 12344321 12345678 123456789 1234567890 12345678910 123123123 123321123 147258369
    22222222 55555555 66666666 77777777 87654321 88888888 987654321 9876543210 99999999 1q2w3e4r 1q2w3e4r5t 1qaz2wsx
    1qazxsw2 qazwsxedc qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 qwerty12345 qwer1234 q1w2e3r4 asdfghjk
    asdfghjkl asdf1234 zxcvbnm1 zaq12wsx abcd1234 abc12345 abcdefgh abcdefg1 aa123456 a1234567 a12345678 a123456789
    password password1 password12 password123 password1234 passw0rd passw0rd1 p@ssw0rd p@ssword pa55word pass1234
    passwort passwort1 motdepasse contraseña admin123 admin1234 administrator root1234 test1234 testtest welcome1
    welcome123 letmein1 letmein123 changeme changeme1 changeme123 iloveyou iloveyou1 sunshine sunshine1 princess
    princess1 football football1 baseball baseball1 basketball superman superman1 batman123 starwars trustno1 whatever
    computer internet michelle jennifer jordan23 michael1 charlie1 liverpool chelsea1 arsenal1 butterfly
    dragon123 monkey123 master123 shadow123 freedom1 samsung1 pokemon1 minecraft google123 facebook1 linkedin moocflix
    moocflix1 moocflix123 teacher1 student1 student123 learning learning1 corvette mercedes midnight november december
    september nicholas danielle victoria alexander christian elephant maverick
    """.split()  # noqa: SIM905 - a list of a hundred words reads best as words
)


class EmailNotAllowed(Invalid):
    def __init__(self) -> None:
        super().__init__("This is not an e-mail address.", field="email")


class PhoneNotAllowed(Invalid):
    def __init__(self) -> None:
        super().__init__("A phone number is written as +, country and number, such as +4930123456.", field="phone")


class PasswordLengthNotAllowed(Invalid):
    def __init__(self) -> None:
        super().__init__(
            f"A password has at least {MIN_PASSWORD} characters, and at most {MAX_PASSWORD}.", field="password"
        )


class PasswordTooCommon(Invalid):
    def __init__(self) -> None:
        super().__init__("This password is among the first that anybody would try.", field="password")


class WrongCredentials(Unauthorized):
    """The same for an unknown name and for a wrong password."""

    def __init__(self) -> None:
        super().__init__("Name or password is wrong.")


class WrongCurrentPassword(Forbidden):
    def __init__(self) -> None:
        super().__init__("The current password is wrong.", field="currentPassword")


class AccountNotActive(Forbidden):
    """Told only to who has shown the right password."""

    def __init__(self, state: AccountState) -> None:
        super().__init__(f"This account is {state}.")


class TooManyAttempts(TooMany):
    """The same for accounts that there are and those that there are not."""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__("Too many wrong passwords; wait a little before the next.", retry_after=retry_after)


class LoginName(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is found by: one of the two."""

    email_key: str | None = None
    phone: str | None = None

    def digest(self, *, address: str = "") -> bytes:
        """What attempts on it are counted under, from one address or from all."""
        return hashlib.sha256(f"{self.email_key or ''}\n{self.phone or ''}\n{address}".encode()).digest()


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the account that somebody wants to sign in to."""

    user_id: UUID
    password_hash: str | None
    state: AccountState


class Attempts(msgspec.Struct, frozen=True, kw_only=True):
    """How often wrong passwords may be tried before it is time to wait."""

    here: int
    anywhere: int
    window: timedelta

    @classmethod
    def of(cls, settings: UsersSettings) -> "Attempts":
        """As the settings say."""
        return cls(
            here=settings.login_failures,
            anywhere=settings.login_failures_anywhere,
            window=timedelta(seconds=settings.login_window_seconds),
        )


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A password about to be tried. It is counted before it is checked, so that a hundred at once gain nothing."""

    keys: tuple[bytes, bytes]
    limits: tuple[int, int]
    window: timedelta
    at: datetime

    @classmethod
    def on(cls, name: LoginName, *, address: str, attempts: Attempts, now: datetime) -> "Attempt":
        """An attempt at this name from this address."""
        return cls(
            keys=(name.digest(address=address), name.digest()),
            limits=(attempts.here, attempts.anywhere),
            window=attempts.window,
            at=now,
        )

    def check(self, *, full_since: datetime | None) -> None:
        """Raises TooManyAttempts where a limit was passed in a window that began then."""
        if full_since is not None:
            wait = full_since + self.window - self.at
            raise TooManyAttempts(retry_after=max(1, int(wait.total_seconds()) + 1))


def checked_email(text: str) -> str:
    """The address as its owner writes it, but for the domain's capitals. Raises EmailNotAllowed."""
    email = unicodedata.normalize("NFC", text.strip())
    local, at, domain = email.rpartition("@")
    labels = domain.lower().split(".")
    sound = (
        bool(at)
        and len(email) <= MAX_EMAIL
        and len(local) <= MAX_LOCAL_PART
        and _LOCAL.match(local) is not None
        and "" not in local.split(".")
        and len(labels) > 1
        and all(_LABEL.match(label) for label in labels)
        and not labels[-1].isdigit()
    )
    if not sound:
        raise EmailNotAllowed
    return f"{local}@{domain.lower()}"


def email_key(email: str) -> str:
    """What two addresses are compared by."""
    return unicodedata.normalize("NFC", email.strip()).lower()


def checked_phone(text: str) -> str:
    """The number as E.164 writes it. Raises PhoneNotAllowed."""
    phone = phone_key(text)
    if not _PHONE.match(phone):
        raise PhoneNotAllowed
    return phone


def phone_key(text: str) -> str:
    """A number without what only makes it easier to read."""
    return _PHONE_FILLING.sub("", text)


def checked_password(password: str) -> str:
    """The password, which is never changed here. Raises PasswordLengthNotAllowed, PasswordTooCommon."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise PasswordLengthNotAllowed
    if password.lower() in COMMON_PASSWORDS or len(set(password)) == 1:
        raise PasswordTooCommon
    return password
