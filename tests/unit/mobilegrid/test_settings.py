"""Settings come from defaults, then a file, then the environment; every mistake names itself."""

import tomllib
from pathlib import Path

import pytest

from ledger.kernel.errors import Misconfigured
from mobilegrid.settings import MEANINGS, Settings, flat, load_settings, masked, with_ledger

REPOSITORY = Path(__file__).parents[3]


def test_without_any_word_the_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}) == Settings()


def test_the_file_beats_defaults_the_environment_the_file_and_the_option_all(tmp_path):
    file = tmp_path / "some.toml"
    file.write_text('[ledger]\nurl = "sqlite:///file.db"\nid = "from-file"\n')
    settings = load_settings(file, {"MOBILEGRID_LEDGER__URL": "sqlite:///env.db"})
    assert settings.ledger.id == "from-file"
    assert settings.ledger.url == "sqlite:///env.db"
    assert with_ledger(settings, "").ledger.url == "sqlite:///env.db"
    assert with_ledger(settings, "sqlite:///x.db").ledger.url == "sqlite:///x.db"


def test_the_file_of_the_working_folder_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mobilegrid.toml").write_text('mode = "demo"\n')
    assert load_settings(None, {}).mode == "demo"
    assert load_settings(None, {"MOBILEGRID_MODE": "production"}).mode == "production"


def test_variables_without_a_section_are_not_ours():
    assert load_settings(None, {"MOBILEGRID_DATA": "/somewhere"}) == Settings()


@pytest.mark.parametrize(
    ("text", "environ", "named"),
    [
        ('[ledgr]\nurl = "x"\n', {}, "there is no ledgr"),
        ('[ledger]\nurll = "x"\n', {}, "there is no ledger.urll"),
        ("[ledger]\nurl = 5\n", {}, "ledger.url"),
        ('mode = "fast"\n', {}, "mode"),
        ('[signer]\nkind = "cloud"\n', {}, "signer.kind"),
        ("not toml", {}, "is not TOML"),
        ("mode = \xff", {}, "is not TOML"),
        ("", {"MOBILEGRID_LEDGER__URLL": "x"}, "there is no ledger.urll"),
        ("", {"MOBILEGRID_LEDGER__URL__HOST": "x"}, "ledger.url"),
        ('mode = "demo"', {"MOBILEGRID_MODE__X": "y"}, "mode is not a section"),
    ],
)
def test_a_mistake_names_itself_and_its_path(tmp_path, text, environ, named):
    file = tmp_path / "some.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(Misconfigured, match=named):
        load_settings(file, environ)


def test_a_file_that_is_named_must_be_there(tmp_path):
    with pytest.raises(Misconfigured, match=r"gone\.toml"):
        load_settings(tmp_path / "gone.toml", {})


def test_the_example_file_holds_every_setting_at_its_default(tmp_path):
    text = (REPOSITORY / "mobilegrid.example.toml").read_text()
    assert load_settings(REPOSITORY / "mobilegrid.example.toml", {}) == Settings()
    parsed = tomllib.loads(text)
    paths = {name for name, value in parsed.items() if not isinstance(value, dict)}
    paths |= {
        f"{name}.{key}"
        for name, value in parsed.items()
        if isinstance(value, dict)
        for key in value
    }
    assert paths == set(MEANINGS) == set(flat(Settings()))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///town.db", "sqlite:///town.db"),
        ("postgresql://mg@db/grid", "postgresql://mg@db/grid"),
        ("postgresql://mg:p@ss@db/grid", "postgresql://mg:***@db/grid"),
        (
            "postgresql+psycopg://:secret@/grid?host=/run",
            "postgresql+psycopg://:***@/grid?host=/run",
        ),
    ],
)
def test_a_password_is_never_shown(url, shown):
    assert masked(url) == shown
    assert flat(with_ledger(Settings(), url))["ledger.url"] == shown
