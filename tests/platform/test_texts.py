"""What texts are like: whether there is anything to see, and web addresses that may be shown to others."""

import pytest

from moocflix.platform.texts import is_visible, is_web_address


@pytest.mark.parametrize("text", ["https://example.org/a.png", "http://example.org:8080/?a=1#b", "https://[::1]/"])
def test_a_full_address_may_be_shown(text: str) -> None:
    assert is_web_address(text, most=100)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/a.png",
        "https://",
        "ftp://example.org/",
        "javascript:alert(1)",
        "https://[::1",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://example.org/a b",
        "https://example.org/\u202e",
        "https://example.org/" + "x" * 100,
    ],
)
def test_what_is_no_full_address_may_not(text: str) -> None:
    assert not is_web_address(text, most=100)


@pytest.mark.parametrize("text", ["a", " 1 ", "\u200b!", "\U0001f44d", "\u00e9"])
def test_one_character_is_enough_to_be_seen(text: str) -> None:
    assert is_visible(text)


@pytest.mark.parametrize("text", ["", "  ", "\u200b", "\u2060\ufeff", "\u00ad\n", "\u202e"])
def test_invisible_characters_are_nothing_to_see(text: str) -> None:
    assert not is_visible(text)
