"""The rules for what people say of themselves."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as some

from moocflix.platform.errors import Invalid
from moocflix.services.users.account.model import (
    checked_avatar_url,
    checked_name,
    checked_username,
    usernames_for,
)
from moocflix.services.users.credential.model import (
    COMMON_PASSWORDS,
    checked_email,
    checked_password,
    checked_phone,
    email_key,
)


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("ada@example.org", "ada@example.org"),
        ("  Ada.Lovelace+mooc@Example.ORG ", "Ada.Lovelace+mooc@example.org"),
        ("o'hara@mail.example.co.uk", "o'hara@mail.example.co.uk"),
        ("müller@bücher.example", "müller@bücher.example"),
        ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
    ],
)
def test_an_address_is_kept_as_its_owner_writes_it(text: str, email: str) -> None:
    assert checked_email(text) == email


@pytest.mark.parametrize(
    "text",
    [
        "", "ada", "@example.org", "ada@", "ada@localhost", "ada@example..org", "ada@.org", "a da@example.org",
        "ada@exam ple.org", "ada@@example.org", "ada.@example.org", ".ada@example.org", "a..b@example.org",
        "ada@-example.org", "ada@example-.org", "ada@127.0.0.1", "ada\n@example.org", "ada@example.org\nbcc:x@y.z",
        "<ada@example.org>", "a" * 65 + "@example.org", "ada@" + "e" * 250 + ".org", "ada,eve@example.org",
    ],
)  # fmt: skip
def test_it_refuses_what_is_no_address(text: str) -> None:
    with pytest.raises(Invalid, match="e-mail") as refused:
        checked_email(text)
    assert refused.value.details[0].field == "email"


@given(some.emails())
def test_checking_an_address_twice_changes_nothing_more(text: str) -> None:
    try:
        once = checked_email(text)
    except Invalid:
        return
    assert checked_email(once) == once
    assert email_key(once) == email_key(text) == email_key(once.upper())


@given(some.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        assert "@" in checked_email(text)
    except Invalid:
        return


@pytest.mark.parametrize(
    ("text", "phone"),
    [("+4930123456", "+4930123456"), ("+49 (30) 123-456", "+4930123456"), ("+1.415.555.2671", "+14155552671")],
)
def test_a_number_is_kept_as_e164_writes_it(text: str, phone: str) -> None:
    assert checked_phone(text) == phone


@pytest.mark.parametrize(
    "text", ["", "030123456", "+", "+0123456789", "+123", "+1234567890123456", "+49x30123456", "++4930123456"]
)
def test_it_refuses_what_is_no_number(text: str) -> None:
    with pytest.raises(Invalid):
        checked_phone(text)


@given(some.text(alphabet=string.digits + "+ -()."))
def test_any_number_is_kept_once_and_for_all_or_refused(text: str) -> None:
    try:
        phone = checked_phone(text)
    except Invalid:
        return
    assert checked_phone(phone) == phone
    assert 8 <= len(phone) <= 16


@pytest.mark.parametrize("password", ["1234567", "x" * 1025, "password", "PassWord1", "12345678", "zzzzzzzzzzzz"])
def test_it_refuses_a_password_that_is_short_long_or_common(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_password(password)
    assert refused.value.details[0].field == "password"


@given(
    some.text(min_size=8, max_size=1024).filter(
        lambda text: len(set(text)) > 1 and text.lower() not in COMMON_PASSWORDS
    )
)
def test_any_other_password_is_kept_as_it_is(password: str) -> None:
    assert checked_password(password) == password


@pytest.mark.parametrize(
    ("text", "name"),
    [("Ada", "Ada"), ("  Ada \t Lovelace\n", "Ada Lovelace"), ("李小龍", "李小龍"), ("e\u0301", "\u00e9")],
)
def test_a_name_has_single_spaces(text: str, name: str) -> None:
    assert checked_name(text) == name


@pytest.mark.parametrize("text", ["", "   ", "\u200b", "\u202e", "Ada\x07", "Ada\u202e", "A" * 101])
def test_it_refuses_a_name_that_nobody_can_read(text: str) -> None:
    with pytest.raises(Invalid):
        checked_name(text)


@pytest.mark.parametrize("text", ["ada", "Ada_Lovelace", "a.b-c_d", "x" * 30, "007"])
def test_a_username_is_kept_in_lower_case(text: str) -> None:
    assert checked_username(text) == text.lower()


@pytest.mark.parametrize("text", ["", "ab", "x" * 31, "_ada", "ada_", "a..b", "a b", "ädä", "ada@home", "a/b"])
def test_it_refuses_what_is_no_username(text: str) -> None:
    with pytest.raises(Invalid):
        checked_username(text)


@given(name=some.text(min_size=1, max_size=100), seed=some.integers())
def test_every_name_makes_usernames_that_are_allowed(name: str, seed: int) -> None:
    usernames = list(usernames_for(name, chance=random.Random(seed).randrange))
    assert [checked_username(username) for username in usernames] == usernames
    assert len(usernames) == 8


def test_a_username_is_made_from_the_name() -> None:
    assert next(usernames_for("John  Doe", chance=random.randrange)) == "john_doe"
    assert next(usernames_for("Ægir Åsa-Ö", chance=random.randrange)) == "gir_asa_o"
    assert next(usernames_for("李小龍", chance=random.randrange)) == "user"
    assert next(usernames_for("Al", chance=random.randrange)) == "user_al"


@pytest.mark.parametrize("url", ["https://example.org/a.png", "http://[::1]:8000/x?y=1#z"])
def test_a_picture_has_a_web_address(url: str) -> None:
    assert checked_avatar_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "", "a.png", "javascript:alert(1)", "data:image/png;base64,x", "ftp://x.y/z", "https://", "https://[::1",
        "https://x:0/", "https://x/\n", "https://x/" + "y" * 2048,
    ],
)  # fmt: skip
def test_it_refuses_any_other_address(url: str) -> None:
    with pytest.raises(Invalid):
        checked_avatar_url(url)
