"""The specs of text in a small setting: what a test of seconds takes of them. Trains nothing."""

from __future__ import annotations

from pathlib import Path

from specc.ir.model import Spec
from specc.language import load

TOKENS = 7  # that a vocabulary has where a test reads no data


def built(path: Path) -> Spec:
    """A spec with small layers, and with vocabularies of seven tokens, whose data isn't read."""
    spec = load(str(path), WIDTHS.get(path.stem))
    if not spec.open:
        return spec
    assert spec.rebuilt is not None
    return spec.rebuilt(dict.fromkeys(spec.open, TOKENS))


WIDTHS = {
    "character_gru": {"Characters.width": "5"},
    "character_lstm": {"Characters.width": "5"},
    # The keys' bias has no gradient but what is rounded, and Adam makes whole steps of that.
    "character_transformer": {
        "Characters.d": "8",
        "Characters.heads": "2",
        "train.freeze": '"*.in_proj_bias"',
    },
    "sentences": {"Sentences.width": "5"},
    "tagger": {"Tagger.width": "5"},
    "word_lstm": {"Words.width": "5"},
}

# Settings that learn in seconds, and what they must reach: better than who knows the shares alone.
LEARNS = {
    "character_gru": (
        {"Characters.width": "32", "Documentation.size": "60", "train.steps": "80"},
        "test.perplexity < 20",  # 25
    ),
    "character_lstm": (
        {"Characters.width": "32", "Documentation.size": "60", "train.steps": "80"},
        "test.perplexity < 20",  # 25
    ),
    "character_transformer": (
        {"Characters.d": "32", "Documentation.size": "60", "train.steps": "80"},
        "test.perplexity < 20",  # 25
    ),
    "sentences": ({"Summaries.size": "500", "train.epochs": "3"}, "test.accuracy > 0.65"),  # 0.57
    "tagger": ({"Source.size": "300", "train.steps": "100"}, "test.accuracy > 0.85"),
    "word_lstm": (
        {"Words.width": "32", "Documentation.size": "300", "train.steps": "100"},
        "test.perplexity < 50",  # 63
    ),
}
