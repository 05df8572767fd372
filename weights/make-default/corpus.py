"""The training text of the default model: an endless, seeded stream of documents of many kinds.

Most are stories; the rest makes the special tokens for chat, tools and fill-in-the-middle known.
No document is read from anywhere: stories.py, chat.py and functions.py write them all.
"""

import random

from chat import json_chat, passage_chat, small_talk, story_chat, tool_chat
from functions import fim, function, hole
from stories import story


def tale(rng):
    """A story: three in four have one chapter, the longest have ten (about 2,000 tokens)."""
    chapters = 1 if rng.random() < 0.75 else rng.choice([2, 2, 2, 3, 3, 4, 5, 6, 8, 10])
    return story(rng, chapters)[0]


def functions_file(rng):
    lang = rng.choice(["ts", "py"])
    return "\n".join(function(rng, lang) for _ in range(rng.randint(1, 3)))


def fim_document(rng):
    prefix, suffix, middle = hole(rng, function(rng))
    return fim(prefix, suffix) + middle


# Kind -> how many of a hundred documents.
MIX = {tale: 44, story_chat: 7, passage_chat: 16, json_chat: 8, tool_chat: 9, small_talk: 2, functions_file: 5, fim_document: 9}


def documents(seed):
    """Yields documents for ever; the same seed gives the same ones."""
    rng = random.Random(seed)
    while True:
        yield rng.choices(list(MIX), list(MIX.values()))[0](rng)
