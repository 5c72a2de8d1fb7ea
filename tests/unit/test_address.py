"""The URL of Redis: each form, and what is refused without a word of the password."""

from __future__ import annotations

from pathlib import Path

import pytest

from admission.store.address import Form, read_address

USER = {"username": "antrean", "password": "s3cret/%"}


SINGLE, SENTINEL, CLUSTER = Form
URLS = {
    "redis://host": (SINGLE, False, (("host", 6379),), "", {}),
    "redis://antrean:s3cret%2F%25@host:1/2": (SINGLE, False, (("host", 1),), "", {**USER, "db": 2}),
    "rediss://host?ssl_check_hostname=no": (SINGLE, True, (("host", 6379),), "", {"ssl_check_hostname": False}),
    "redis+sentinel://a,b:1,[::1]:2/name": (SENTINEL, False, (("a", 26379), ("b", 1), ("::1", 2)), "name", {}),
    "rediss+sentinel://antrean:s3cret%2F%25@a/x/3": (SENTINEL, True, (("a", 26379),), "x", {**USER, "db": 3}),
    "redis+cluster://a:1,b": (CLUSTER, False, (("a", 1), ("b", 6379)), "", {}),
    "rediss+cluster://antrean:s3cret%2F%25@a": (CLUSTER, True, (("a", 6379),), "", USER),
}


@pytest.mark.parametrize("url", URLS)
def test_each_form_is_read(url: str) -> None:
    found = read_address(url)
    assert (found.form, found.tls, found.hosts, found.service, found.options) == URLS[url]


def test_a_socket_is_read() -> None:
    found = read_address("unix://antrean:s3cret%2F%25@/run/redis.sock?db=1")
    assert (found.form, found.hosts) == (Form.SINGLE, ())
    assert found.options.items() >= {**USER, "path": "/run/redis.sock", "db": 1}.items()


def test_the_sentinels_have_a_user_of_their_own() -> None:
    found = read_address("redis+sentinel://a/name?sentinel_username=watch&sentinel_password=other")
    assert found.sentinel_options == {"username": "watch", "password": "other"}
    assert found.options == {}


def test_files_of_tls_are_there_before_anybody_connects(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").touch()
    found = read_address(f"rediss://host?ssl_ca_certs={tmp_path}/ca.crt&ssl_min_version=771")
    assert found.options == {"ssl_ca_certs": f"{tmp_path}/ca.crt", "ssl_min_version": 771}
    with pytest.raises(ValueError, match="ssl_ca_certs, ssl_keyfile: there is no such file"):
        read_address(f"rediss://host?ssl_ca_certs={tmp_path}/no.crt&ssl_keyfile={tmp_path}/no.key")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://s3cret@host", "begins with none of"),
        ("s3cret", "begins with none of"),
        ("redis://:s3cret@", "names no host"),
        ("redis://:s3cret@host:port", "names no host, or a port that is none"),
        ("redis://:s3/cret@host", "names no host, or a port that is none"),
        ("redis://:s3#cret@host", "names no host, or a port that is none"),
        ("redis://:1?s3cret=x@host", "names no host"),
        ("redis://a,b", "names several hosts"),
        ("redis://host/s3cret", "no number of a database"),
        ("redis://host/1/2", "no number of a database"),
        ("redis://host?socket_timeout=60", "redis:// does not take: db"),  # it would undo our own bounds
        ("redis://host?ssl_ca_certs=x", "redis:// does not take: db"),
        ("redis://host?s3cret", "redis:// does not take: db"),
        ("redis://host#s3cret", "redis:// does not take: db"),
        ("unix://s3cret", "names no socket"),
        ("redis+sentinel://:s3cret@host", "names no service"),
        ("redis+sentinel://host/name/s3cret", "no number of a database"),
        ("redis+cluster://host/0", "no number of a database"),
        ("redis+cluster://host?db=1", "does not take: none"),
        ("redis://[s3cret", "cannot be read as a URL"),
    ],
)
def test_what_cannot_be_is_refused_and_no_password_is_quoted(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        read_address(url)
    assert "s3" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_what_is_shown_of_an_address_has_no_password() -> None:
    found = read_address("redis+sentinel://antrean:s3cret@a/name?sentinel_password=s3cret")
    assert "s3cret" not in repr(found)
