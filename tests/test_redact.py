"""Secrets in a command's arguments stay out of its report; everything else stays in."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from energywrap import redact
from energywrap.redact import REDACTED, command

SECRET = "s3cr3tValue99"
SPELLINGS = [
    "--password {}",
    "--password={}",
    "--db-password {}",
    "--dbPassword={}",
    "--db.password={}",
    "--passwd {}",
    "--passphrase={}",
    "--pass {}",
    "-passphrase {}",
    "--token {}",
    "--token={}",
    "--hf-token {}",
    "--hf_token={}",
    "--github-token={}",
    "--auth-token {}",
    "--access-token={}",
    "--api-key {}",
    "--api_key={}",
    "--apikey {}",
    "--apiKey={}",
    "--secret {}",
    "--client-secret {}",
    "--secret-key={}",
    "--aws-secret-access-key {}",
    "--private-key={}",
    "--credentials {}",
    "env HF_TOKEN={} python train.py",
    "env WANDB_API_KEY={} python train.py",
    "env AWS_SECRET_ACCESS_KEY={} aws s3 ls",
    "env PGPASSWORD={} psql",
    "env MYSQL_PWD={} mysql",
    "env DB_PASS={} ./migrate",
    "env password={} ./x",
    "trainer.hub_token={}",
    "-H 'Authorization: Bearer {}'",
    "-H 'authorization: token {}'",
    "-H 'Authorization: Basic {}=='",
    "-H 'X-Api-Key: {}'",
    "--header='Authorization: Bearer {}'",
    "git clone https://user:{}@example.org/x.git",
    "git clone https://{}@example.org/x.git",
    "psql postgres://user:{}@db:5432/name",
    "psql 'postgres://user:{}@db/name?sslmode=require'",
    "psql 'postgres://user:{0}@db/name?password={0}'",
    "psql 'postgresql://db/name?user=me&password={}'",
    "--url=https://user:{}@example.org/",
    "DATABASE_URL=postgres://user:{}@db/name",
    "redis-cli -u redis://:{}@cache:6379/0",
    "curl 'https://example.org/?token={}'",
    "curl 'https://example.org/?x=1&token={}&y=2'",
    "curl 'https://example.org/?access_token={}#part'",
    "sh -c 'curl -H \"Authorization: Bearer {}\" https://example.org'",
    "sh -c 'x=1 HF_TOKEN={} python train.py'",
    "sh -c 'login --password {}'",
    "bash -lc 'export API_KEY={}; ./run'",
]
KNOWN_TOKENS = [
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2c3" * 9,
    "glpat-" + "a1B2c" * 4,
    "hf_" + "aBcDeFgH1" * 4,
    "sk-" + "a1B2" * 12,
    "sk-proj-" + "a1B2" * 12,
    "sk-ant-api03-" + "a1B2" * 12,
    "xoxb-123456789012-" + "a1B2" * 6,
    "AKIAIOSFODNN7EXAMPLE",
    "AIza" + "SyA1b2C3d" * 4,
    "npm_" + "a1B2" * 9,
    "pypi-AgEIcHlwaS5vcmc" + "a1B2" * 9,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + "a1B2" * 9,
]
INNOCENT = [
    "python train.py --tokenizer bert-base-uncased --max-tokens 512 --lr 1e-4",
    "--max_tokens=512",
    "--max-new-tokens 128",
    "--num-tokens 100",
    "--num_tokens_per_batch 4096",
    "--tokens 100",
    "--tokens-per-sample 512",
    "--token-limit 8",
    "--eos-token-id 2",
    "--pad-token-id=0",
    "--token-dim 64",
    "max_tokens=512",
    "model.max_tokens=512",
    "data.tokens_per_batch=4096",
    "--tokenizer-path /data/tokenizer.json",
    "--token-dropout 0.1",
    "--key-frames 12",
    "--keyframe-interval 25",
    "--sort-key name",
    "--key value",
    "--keys a,b",
    "--foreign-key id",
    "--author Bob",
    "--authors Bob",
    "--secretary Bob",
    "--compass north",
    "--passes 3",
    "--bypass-cache 1",
    "--passenger 4",
    "--n-pass 2",
    "pytest tests/test_auth.py::test_login",
    "pytest tests/test_tokens.py::test_all -k 'not password'",
    "uvicorn auth:app --port 80",
    "docker run -v /run/secrets:/run/secrets image",
    "apptainer exec --pwd /workspace image.sif python",
    "env PWD=/tmp OLDPWD=/ make",
    "python hf_train_llama_model.py",
    "python sk-learn_benchmark_suite.py",
    "cat pypi-mirror-list.txt npm_install_all.sh",
    "npm_config_loglevel=silent",
    "aws s3 ls s3://bucket/tokens/date=2024-01-01/",
    "wget https://example.org/file?email=a@b.example",
    "wget https://example.org/@scope/package",
    "git clone https://example.org/auth/tokens.git",
    "rsync host:/data/secrets.d/ /mnt",
    "scp a@b.example:x y",
    "--date=2024-01-01 --time 12:30:00",
    "awk -F: '{print $1}' /etc/passwd",
    "grep -i password notes.txt",
    "head -c 100 token.txt",
    "make -j8 CC=gcc CFLAGS=-O2",
    "ls -l --color=auto",
    "sh -c 'python train.py --max-tokens 512 && ls'",
    "sh -c 'for i in 1 2  3; do echo \"$i\"; done'",
]
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_taken_out_in_whatever_way_it_is_written(spelling: str) -> None:
    shown = " ".join(command(["command", *shlex.split(spelling.format(SECRET))]))

    assert SECRET not in shown
    assert REDACTED in shown


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_stands_around_a_secret_stays(spelling: str) -> None:
    given_words = shlex.split(spelling.format(SECRET))

    shown = command(["command", *given_words, "last.py"])

    assert len(shown) == len(given_words) + 2
    assert (shown[0], shown[-1]) == ("command", "last.py")


@pytest.mark.parametrize("token", KNOWN_TOKENS, ids=lambda token: token[:8])
def test_a_well_known_token_is_recognised_by_itself_wherever_it_stands(token: str) -> None:
    assert command(["x", token]) == ("x", REDACTED)
    assert token not in " ".join(command(["x", "--value", token]))
    assert token not in " ".join(command(["x", f"--value={token}"]))
    assert token not in " ".join(command(["sh", "-c", f"use {token} here"]))


@pytest.mark.parametrize("line", INNOCENT)
def test_an_innocent_command_is_kept_word_by_word(line: str) -> None:
    given_words = ["command", *shlex.split(line)]

    assert command(given_words) == tuple(given_words)


def test_the_commands_own_name_is_kept() -> None:
    assert command(["./token"]) == ("./token",)
    assert command(["/opt/auth=x/bin/password", "x"]) == ("/opt/auth=x/bin/password", "x")


def test_an_option_after_a_secrets_option_is_no_secret() -> None:
    assert command(["x", "--password", "--verbose", "y"]) == ("x", "--password", "--verbose", "y")


@given(given_words=st.lists(words, min_size=1, max_size=6))
@example(given_words=["x", "--password"])
@example(given_words=["x", "=", ":", "://", "://@", "-", "--", ""])
@settings(deadline=None, database=None)
def test_every_command_keeps_its_number_of_words(given_words: list[str]) -> None:
    assert len(command(given_words)) == len(given_words)


@given(given_words=st.lists(words, min_size=1, max_size=6))
@settings(deadline=None, database=None)
def test_taking_secrets_out_twice_is_as_good_as_once(given_words: list[str]) -> None:
    once = command(given_words)

    assert command(once) == once


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p@w@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("postgresql://u:[x@h", "postgresql://u:***@h"),
        ("postgresql://h/db?user=u&password=secret&x=1", "postgresql://h/db?user=u&password=***&x=1"),
        ("postgresql://h?sslpassword=secret", "postgresql://h?sslpassword=***"),
        ("/home/a:b@c/ledger.db", "/home/a:b@c/ledger.db"),
    ],
)
def test_the_address_of_a_ledger_is_shown_without_its_password(url: str, shown: str) -> None:
    assert redact.setting("ledger", url) == shown
    assert redact.setting("ledger", shown) == shown
    assert redact.setting("label", url) == url
