"""Tokenizers: text comes back as it was, and every token knows its bytes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.text.errors import DataError
from trainables.text.gpt2 import Gpt2Tokenizer, missing_vocabulary
from trainables.text.tokenizers import (
    TOKENIZERS,
    BytesTokenizer,
    CharsTokenizer,
    Tokenizer,
    make_tokenizer,
    tokenizer_from_json,
)

needs_gpt2 = pytest.mark.skipif(
    bool(missing_vocabulary()), reason="GPT-2's vocabulary is not on this machine"
)

SAMPLE = "Zwölf Boxkämpfer jagen Viktor über den großen Sylter Deich.\r\n日本語 🙂 <|endoftext|>"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))

EVERY = [pytest.param(name, marks=needs_gpt2 if name == "gpt2" else ()) for name in TOKENIZERS]


def check_text(tokenizer: Tokenizer, text: str) -> None:
    """Text comes back, without the mark in it, and the bytes of its tokens are the bytes of the text."""
    tokens = tokenizer.encode(text)
    assert tokens.dtype == np.uint16
    assert tokenizer.document_start not in tokens
    assert tokenizer.decode(tokens) == text
    assert tokenizer.decode([tokenizer.document_start, *tokens, tokenizer.document_start]) == text
    assert tokenizer.token_bytes()[tokens].sum() == len(text.encode())


@pytest.mark.parametrize("name", EVERY)
def test_text_comes_back(name: str) -> None:
    tokenizer = make_tokenizer(name, [SAMPLE])
    check_text(tokenizer, SAMPLE)
    check_text(tokenizer, "")
    check_text(tokenizer, SAMPLE[::-1])


@given(TEXTS)
def test_any_text_comes_back_from_bytes_and_from_its_own_characters(text: str) -> None:
    check_text(BytesTokenizer(), text)
    if text:
        check_text(CharsTokenizer.of([text]), text)


@needs_gpt2
@given(TEXTS)
def test_any_text_comes_back_from_gpt2(text: str) -> None:
    check_text(Gpt2Tokenizer(), text)


@pytest.mark.parametrize("name", EVERY)
def test_a_tokenizer_is_made_again_from_what_it_says(name: str) -> None:
    tokenizer = make_tokenizer(name, [SAMPLE])
    again = tokenizer_from_json(tokenizer.as_json())
    assert (again.name, again.vocabulary) == (name, tokenizer.vocabulary)
    np.testing.assert_array_equal(again.encode(SAMPLE), tokenizer.encode(SAMPLE))


@pytest.mark.parametrize("name", EVERY)
def test_every_token_but_the_mark_has_bytes(name: str) -> None:
    tokenizer = make_tokenizer(name, [SAMPLE])
    lengths = tokenizer.token_bytes()
    assert lengths.shape == (tokenizer.vocabulary,)
    assert np.flatnonzero(lengths == 0).tolist() == [tokenizer.document_start]


@pytest.mark.parametrize("name", EVERY)
def test_tokens_outside_the_vocabulary_and_broken_utf8_are_replaced(name: str) -> None:
    tokenizer = make_tokenizer(name, [SAMPLE])
    assert tokenizer.decode([tokenizer.vocabulary, -1]) == "\ufffd\ufffd"
    assert BytesTokenizer().decode([0xC3, ord("a")]) == "\ufffda"


def test_bytes_are_bytes_without_nul() -> None:
    assert BytesTokenizer().encode("a\0é").tolist() == [97, 0xC3, 0xA9]


def test_characters_are_numbered_in_their_order() -> None:
    tokenizer = CharsTokenizer.of(["ba", "\n🙂"])
    assert tokenizer.characters == "\nab🙂"
    assert tokenizer.vocabulary == 5
    assert tokenizer.encode("ab🙂\n").tolist() == [2, 3, 4, 1]
    assert tokenizer.token_bytes().tolist() == [0, 1, 1, 1, 4]


@pytest.mark.parametrize(("text", "place"), [("aZ", "character 1 .* 'Z'"), ("\0", "character 0 .*x00")])
def test_a_character_that_is_not_known_is_named(text: str, place: str) -> None:
    with pytest.raises(DataError, match=place):
        CharsTokenizer("abc").encode(text)


@pytest.mark.parametrize("name", EVERY)
def test_half_a_character_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"character 2 of the text.*ud83d"):
        make_tokenizer(name, ["ab"]).encode("ab\ud83d")


def test_as_many_characters_as_fit_and_no_more() -> None:
    points = [chr(point) for point in range(1, 70_000) if not 0xD800 <= point < 0xE000]
    most = CharsTokenizer("".join(points[:65_534]))
    assert most.vocabulary == 65_535
    check_text(most, "".join(points[:65_534]))
    with pytest.raises(DataError, match=r"65,535 different characters, .* at most 65,534"):
        CharsTokenizer("".join(points[:65_535]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("bytes", "described by a mapping"),
        ({}, "there is no tokenizer None; there are bytes, chars, gpt2"),
        ({"kind": "words"}, "no tokenizer 'words'"),
        ({"kind": []}, "no tokenizer"),
        ({"kind": "bytes", "characters": "a"}, "described by"),
        ({"kind": "chars"}, "described by"),
        ({"kind": "chars", "characters": ["a"]}, "must be a text, but is list"),
        ({"kind": "chars", "characters": ""}, "at least one"),
        ({"kind": "chars", "characters": "ba"}, "sorted and distinct"),
        ({"kind": "chars", "characters": "aa"}, "sorted and distinct"),
    ],
)
def test_a_description_of_no_tokenizer_is_refused(content: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        tokenizer_from_json(content)


@needs_gpt2
def test_gpt2_has_the_published_tokens() -> None:
    tokenizer = Gpt2Tokenizer()
    assert tokenizer.encode("Hello world").tolist() == [15496, 995]
    assert (tokenizer.vocabulary, tokenizer.document_start) == (50257, 50256)
    assert tokenizer.token_bytes().max() == 128
    assert len(tokenizer.encode("<|endoftext|>")) > 1


@pytest.mark.parametrize("name", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"])
def test_a_vocabulary_that_is_not_there_is_not_fetched(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it fetched, or tried to be, the folder would be there, or the message another one."""
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.setenv(name, str(tmp_path / "empty"))
    with pytest.raises(
        DataError, match=r"vocab\.bpe.*encoder\.json.*--download-vocabulary.*TIKTOKEN_CACHE_DIR"
    ):
        Gpt2Tokenizer()
    assert not (tmp_path / "empty").exists()


def test_a_damaged_vocabulary_counts_as_missing_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    damaged = tmp_path / "6d1cbeee0f20b3d9449abfede4726ed8212e3aee"
    damaged.write_bytes(b"half")
    assert len(missing_vocabulary()) == 2
    with pytest.raises(DataError, match=damaged.name):
        Gpt2Tokenizer()
    assert damaged.read_bytes() == b"half"


def test_a_cache_that_is_switched_off_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    with pytest.raises(DataError, match="TIKTOKEN_CACHE_DIR is empty"):
        Gpt2Tokenizer()


def test_without_a_network_the_download_says_so_in_plain_words(tmp_path: Path) -> None:
    """In a process of its own, because tiktoken keeps what it has loaded."""
    import os
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", "from trainables.text.gpt2 import *; Gpt2Tokenizer(download=True)"],
        env={
            **os.environ,
            "TIKTOKEN_CACHE_DIR": str(tmp_path),
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
        },
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "there is no connection to it; try again when there is a network" in done.stderr
    assert not any(tmp_path.iterdir())
