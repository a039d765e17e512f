"""The keys of Rasa's conversations: where they come from, and how they change while Rasa runs."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from rasa.shared.exceptions import InvalidConfigException

import bot.encryption
from bot.encryption import UnknownKey, load_keyring, make_key_file

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
TEXT = "my name is Maria de la Cruz ñ 李明"


def opened_by(key: str, token: str) -> str:
    return Fernet(key).decrypt(token.encode()).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "encryption.keys"
    path.write_text(f"# the newest first\n\n{NEW}\n{OLD}  # until the spring\n")
    return path


# --------------------------------------------------------------------------- where they come from


def test_the_first_key_encrypts_and_each_one_decrypts(path: Path) -> None:
    for environment in ({"ENCRYPTION_KEYS": f"{NEW}, {OLD}"}, {"ENCRYPTION_KEYS_FILE": str(path)}):
        keyring = load_keyring(False, environment)
        assert opened_by(NEW, keyring.encrypt(TEXT)) == TEXT
        assert keyring.decrypt(Fernet(OLD).encrypt(TEXT.encode()).decode()) == TEXT


def test_the_variable_comes_before_the_file(path: Path) -> None:
    keyring = load_keyring(False, {"ENCRYPTION_KEYS": OTHER, "ENCRYPTION_KEYS_FILE": str(path)})
    assert opened_by(OTHER, keyring.encrypt(TEXT)) == TEXT


@pytest.mark.parametrize("token", ["", "no token", Fernet(OTHER).encrypt(b"secret").decode(), "ünïcode"])
def test_what_no_key_opens_is_told_apart(path: Path, token: str) -> None:
    for environment in ({"ENCRYPTION_KEYS": f"{NEW}, {OLD}"}, {"ENCRYPTION_KEYS_FILE": str(path)}):
        with pytest.raises(UnknownKey):
            load_keyring(False, environment).decrypt(token)


@pytest.mark.parametrize("content", [b"", b"# none yet\n", b"too-short\n", NEW.encode() + b"\nbroken\n", b"\xff\xfe"])
def test_unusable_keys_stop_the_start_and_are_not_shown(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InvalidConfigException, match="backup") as refused:
        load_keyring(True, {"ENCRYPTION_KEYS_FILE": str(path)})
    assert str(path) in str(refused.value)
    for word in ("too-short", "broken", NEW):
        assert word not in str(refused.value)


@pytest.mark.parametrize("listed", ["too-short", f"{NEW},broken", " , "])
def test_an_unusable_variable_stops_the_start(listed: str) -> None:
    with pytest.raises(InvalidConfigException, match="ENCRYPTION_KEYS") as refused:
        load_keyring(True, {"ENCRYPTION_KEYS": listed})
    assert NEW not in str(refused.value)


# --------------------------------------------------------------------------- who makes them


def test_by_hand_a_first_key_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "var" / "encryption.keys"
    monkeypatch.setattr(bot.encryption, "DEFAULT_FILE", path)
    token = load_keyring(True, {}).encrypt(TEXT)
    assert load_keyring(True, {}).decrypt(token) == TEXT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_key_is_not_made_in_place_of_a_lost_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "encryption.keys"
    monkeypatch.setattr(bot.encryption, "DEFAULT_FILE", path)
    for may_make, environment in ((False, {}), (True, {"ENCRYPTION_KEYS_FILE": str(path)})):
        with pytest.raises(InvalidConfigException, match="backup"):
            load_keyring(may_make, environment)
    assert not path.exists()


def test_of_many_who_make_one_at_once_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "encryption.keys"

    def make_and_read(_number: int) -> str:
        make_key_file(path)
        return path.read_text()

    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(make_and_read, range(64)))) == 1
    assert list(tmp_path.iterdir()) == [path]


# --------------------------------------------------------------------------- how they change


def replace(path: Path, *keys: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(f"{key}\n" for key in keys))
    fresh.replace(path)


def test_a_new_key_is_used_without_a_restart(path: Path) -> None:
    keyring = load_keyring(False, {"ENCRYPTION_KEYS_FILE": str(path)})
    before = keyring.encrypt(TEXT)
    replace(path, OTHER, NEW)
    assert keyring.decrypt(Fernet(OTHER).encrypt(b"rotated").decode()) == "rotated"
    assert keyring.decrypt(before) == TEXT
    assert opened_by(OTHER, keyring.encrypt(TEXT)) == TEXT


def test_what_is_written_next_has_the_newest_key(path: Path) -> None:
    keyring = load_keyring(False, {"ENCRYPTION_KEYS_FILE": str(path)})
    replace(path, OTHER, NEW)
    assert opened_by(OTHER, keyring.encrypt(TEXT)) == TEXT


def test_a_file_that_is_gone_or_half_written_stops_nobody(path: Path) -> None:
    keyring = load_keyring(False, {"ENCRYPTION_KEYS_FILE": str(path)})
    for content in ("", "half a k", None):
        path.unlink() if content is None else path.write_text(content)
        assert keyring.decrypt(keyring.encrypt(TEXT)) == TEXT
        with pytest.raises(UnknownKey):
            keyring.decrypt(Fernet(OTHER).encrypt(b"unknown").decode())
    replace(path, OTHER, NEW)
    assert opened_by(OTHER, keyring.encrypt(TEXT)) == TEXT
