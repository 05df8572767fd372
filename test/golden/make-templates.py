"""Writes what Python's Jinja makes of conversations by chat templates: ../prompt/templates.json.gz, or a file of your own.

Run from the root of the checkout:  python test/golden/make-templates.py
or, for templates from elsewhere:   python test/golden/make-templates.py --out OUT.json.gz FOLDER...
Needs Python >= 3.10 and `jinja2`; `npm test` needs neither.

A folder is searched for files *.jinja (a template each), *.json with a field chat_template, *.py with string constants
named *_template. Templates that say the same are taken once. Those of others stay where they are; the ones in
../prompt/templates are written for this project, one for each form of calls.

Jinja is set up as transformers does it: utils/chat_template_utils.py, _compile_jinja_template.
"""

import argparse
import ast
import datetime
import gzip
import json
import pathlib

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).resolve().parent
OWN = HERE.parent / "prompt" / "templates"
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5)

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "sound_depth",
            "description": 'Sounds the "depth" <here>.',
            "parameters": {
                "type": "object",
                "properties": {
                    "depth": {"type": "integer", "description": "How deep.", "minimum": 0},
                    "note": {"type": "string", "description": "A text."},
                    "list": {"type": "array", "items": {}, "description": "Some things."},
                },
                "required": ["depth"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "now",
            "description": "The time.",
            "parameters": {"type": "object", "properties": {"zone": {"type": "string", "enum": ["UTC", "CET"], "description": "Which."}}, "required": []},
        },
    },
]
FIRST = {"depth": 70071, "note": "in <b>\n\"it\"'s \\ \u00e9", "list": ["x", True, None, 2, {"k": 1.5}]}
SECOND = {"zone": "UTC"}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def call(i, name, arguments, id=None):
    return {"id": id or f"call0000{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}}


def result(i, name, content):
    return {"role": "tool", "tool_call_id": f"call0000{i}", "name": name, "content": content}


SYSTEM = {"role": "system", "content": "Be brief: 1 < 2."}
ONE = assistant(None, tool_calls=[call(1, "sound_depth", FIRST)])
TWO = assistant(None, tool_calls=[call(1, "sound_depth", FIRST), call(2, "now", SECOND)])
NAMED = "functions.sound_depth:0"  # Kimi's ids name the function; its templates write nothing else for a name
CONVERSATIONS = {
    "plain": {"messages": [user("How deep?")]},
    "turns": {"messages": [user("How deep?"), assistant("Very."), user("\u00dcber alles \u4e2d")]},
    "system": {"messages": [SYSTEM, user("How deep?"), assistant("Very."), user("Sure?")]},
    "tools": {"messages": [user("How deep?")], "tools": TOOLS},
    "tools and system": {"messages": [SYSTEM, user("How deep?"), assistant("Where?"), user("Here.")], "tools": TOOLS},
    "a call": {"messages": [user("How deep?"), ONE, result(1, "sound_depth", "seven fathoms")], "tools": TOOLS},
    "a call and more": {"messages": [user("How deep?"), ONE, result(1, "sound_depth", '{"m": 12.8}'), assistant("Seven."), user("Thanks.")], "tools": TOOLS},
    "two calls": {"messages": [user("How deep?"), TWO, result(1, "sound_depth", "seven"), result(2, "now", "noon")], "tools": TOOLS},
    "ids that name functions": {
        "messages": [user("How deep?"), assistant(None, tool_calls=[call(1, "sound_depth", FIRST, NAMED)]), {**result(1, "sound_depth", "seven fathoms"), "tool_call_id": NAMED}],
        "tools": TOOLS,
    },
    "words and a call": {"messages": [user("How deep?"), {**ONE, "content": "Let me see."}, result(1, "sound_depth", "seven")], "tools": TOOLS},
}


# Where templates have met engines that are not Python: each is written, or fails. `v` is DATA.
DATA = '{"text": "a\\"b\\u00e9\\n", "quote": "it\'s", "both": "\'\\"", "none": null, "yes": true, "whole": 7, "real": 1.0, "small": 1e-7, "large": 1e16, "exact": 12345678901234567890, "list": ["x", null, false, 2.5, {"k": []}], "items": {"b": 1, "1": 2, "a": 3}, "empty": {}}'
EXPRESSIONS = [
    *(f"{{{{ v.{name} }}}}" for name in ("text", "quote", "none", "yes", "whole", "real", "small", "large", "exact", "list", "empty", "missing")),
    *(f"{{{{ v['{name}'] | string }}}}" for name in ("list", "items", "both", "none", "yes", "real")),
    *(f"{{{{ v['{name}'] | tojson }}}}" for name in ("text", "list", "items", "real", "small", "large", "exact", "none")),
    "{{ v | tojson(indent=2, sort_keys=true) }}", "{{ v['items'] | tojson(separators=(',', ':')) }}", "{{ v.text | tojson(ensure_ascii=true) }}", "{{ v.missing | tojson }}",
    "{{ v.none ~ v.yes ~ v.list }}", "{{ 'a' + v.none }}", "{{ 'a' + v.whole }}", "{{ 'a' ~ v.missing ~ 'b' }}", "{{ 'ab' * 2 }}", "{{ 7 // 2 }} {{ 7 / 2 }} {{ 7 % 4 }} {{ 2 ** 3 }}",
    "{{ 1 == '1' }} {{ none == false }} {{ v.missing == none }} {{ [] == [] }} {{ {'a': 1} == {'a': 1.0} }} {{ true == 1 }}",
    "{{ 'x' in v.list }} {{ none in v.list }} {{ 'b' in v['items'] }} {{ 'a' in v.text }} {{ 1 in v.missing }}", "{{ 1 in v.none }}",
    "{% for c in 'a\u00e9b' %}[{{ c }}]{% endfor %}", "{% for k in v['items'] %}{{ k }} {% endfor %}", "{% for k, x in v['items'].items() %}{{ k }}={{ x }} {% endfor %}", "{% for k, x in v['items'] | dictsort %}{{ k }}={{ x }} {% endfor %}",
    "{% for x in v.missing %}x{% else %}none{% endfor %}", "{% for x in v.none %}x{% endfor %}", "{% for x in 5 %}x{% endfor %}",
    "{{ v['items']['1'] }}", "{{ v.empty.items() | list }}", "{{ v.get('whole') }} {{ v.get('no') }} {{ v.get('no', 'other') }}",
    "{% set d = {0: 'a', 512: 'b', -1: 'c'} %}{{ d[512] }} {{ d }} {% for k, x in d | dictsort %}{{ k <= 0 }}{{ x }}{% endfor %}", "{{ {1: 2}[v.missing] }}|",
    "{{ v.missing | length }} {{ v.missing | upper }}| {{ v.missing | list }} {{ v.missing | join('-') }}|", "{{ v.none | upper }}", "{{ v.none | length }}",
    "{{ 'abc' | list }} {{ 'abc' | first }} {{ v['items'] | list }} {{ v.list | length }} {{ v['items'] | length }}", "{{ v.list | join(', ') }}", "{{ [{'a': 1}, {'a': 2}] | map(attribute='a') | join('+') }} {{ ['a', 'b'] | map('upper') | list }}",
    "{{ [{'a': 1}, {'b': 2}, {'a': 0}] | selectattr('a') | list }} {{ [{'a': 1}, {'a': 2}] | rejectattr('a', 'equalto', 2) | list }}", "{{ 'ab' | selectattr('type', 'equalto', 'image') | list }}", "{{ [1, 'a', none] | select('string') | list }}",
    "{{ v.yes is number }} {{ v['items'] is iterable }} {{ v.text is iterable }} {{ v.whole is iterable }} {{ v['items'] is sequence }} {{ v.list is sequence }} {{ v.real is float }} {{ v['items'] is mapping }}",
    "{{ ('a', 1) }} {% for a, b in [(1, 2), (3, 4)] %}{{ a + b }} {% endfor %}", "{{ 'a-b-c'.split('-', 1) }} {{ 'a-b'.split('-')[-1] }} {{ ' a  b '.split() }}", "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }}",
    "{{ 'x' if v.missing else 'y' }} {{ v.missing is defined }} {{ v.none is none }}", "{{ [1, 2, 3][1:] }} {{ 'abc'[::-1] }}", "{{ -0.0 }} {{ 0.1 + 0.2 }} {{ 100000.0 }}",
    "{% set n = 0 %}{% for x in [1, 2, 3] %}{{ n }}{% set n = n + x %}{{ n }} {% endfor %}{{ n }}", "{% for x in [1, 2] %}{{ seen is defined }}{% set seen = x %}{{ seen }} {% endfor %}{{ seen is defined }}",
    "{% set first = true %}{% for k, x in v['items'].items() %}{% if not first %}, {% endif %}{{ k }}{% set first = false %}{% endfor %}", "{% for x in [1, 2] %}{% for y in [x, x + 2] %}{% set z = y %}{{ z }}{{ loop.index }}{% endfor %}{{ z is defined }}{{ loop.index }} {% endfor %}",
    "{% for x in [1, 2, 3, 4] %}{% if x == 2 %}a{{ x }}{% continue %}{% endif %}[{% if x == 3 %}b{% break %}{% endif %}{{ x }}]{% else %}none{% endfor %}", "{% for x in [1] %}{% continue %}{% else %}none{% endfor %}|{% for x in [] %}x{% else %}none{% endfor %}",
    "{% for x in [1, 2] %}{% for y in [1, 2, 3] %}{{ y }}{% if y == x %}!{% break %}{% endif %}{% endfor %};{% endfor %}", "{% macro m(x) %}{% for y in x %}{{ y }}{% if y == 2 %}{% continue %}{% endif %},{% endfor %}{% endmacro %}{{ m([1, 2, 3]) }}",
    "{{ strftime_now('%a %A %b %B %d %f %H %I %j %m %M %p %S %U %w %W %y %Y %% %G %u %V|%Z|%z|%c|%x|%X') }}", "{{ strftime_now('%-d %-m %-I %-j %e %D %F %R %T %h') }}",
    "a\r\n{% if true %}\r\nb\r{% endif %}\r\nc", "{{ 'a\\tb' | string }} {{ ['a\\tb\\x07\u200b'] }}",
]


class Generation(Extension):
    """{% generation %}: marks what a model is trained on; nothing else comes of it."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("as_it_is"), [], [], body).set_lineno(line)

    def as_it_is(self, caller):
        return caller()


def environment():
    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = NOW.strftime
    return made


def variants(messages):
    """The messages as a template may want them: arguments of calls as objects or as text, no content as None or as ""."""
    if not any(message.get("tool_calls") for message in messages):
        return {"": messages}

    def given(objects, empty):
        made = []
        for message in messages:
            calls = message.get("tool_calls")
            if calls:
                calls = [{**one, "function": {**one["function"], "arguments": json.loads(one["function"]["arguments"]) if objects else one["function"]["arguments"]}} for one in calls]
                message = {**message, "content": empty if message["content"] is None else message["content"], "tool_calls": calls}
            made.append(message)
        return made

    return {f"{'objects' if objects else 'text'} {json.dumps(empty)}": given(objects, empty) for objects in (True, False) for empty in (None, "")}


def rendered(template, messages, tools):
    try:
        return {"text": template.render(messages=messages, tools=tools, documents=None, add_generation_prompt=True, bos_token="<|bos|>", eos_token="<|eos|>")}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def renderings(source):
    try:
        template = environment().from_string(source)
    except jinja2.exceptions.TemplateError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {
        name: {variant: rendered(template, messages, request.get("tools")) for variant, messages in variants(request["messages"]).items()}
        for name, request in CONVERSATIONS.items()
    }


def expressions():
    v = json.loads(DATA)

    def written(source):
        try:
            return {"text": environment().from_string(source).render(v=v)}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    return {"data": DATA, "written": {source: written(source) for source in EXPRESSIONS}}


DATE = "%a %A %b %B %d %e %f %H %I %j %m %M %p %S %U %u %V %G %w %W %y %Y %-d %-H %c"


def dates():
    times = [datetime.datetime(1999 + i, (5 * i) % 12 + 1, (11 * i) % 28 + 1, (7 * i) % 24, (13 * i) % 60, i) for i in range(20)]
    times += [datetime.datetime(year, month, day, 12) for year in range(2015, 2030) for month, day in ((1, 1), (1, 3), (12, 29), (12, 31))]
    return {"format": DATE, "written": {time.isoformat(): time.strftime(DATE) for time in times}}


def sources(path):
    text = path.read_bytes().decode()
    if path.suffix == ".jinja":
        yield path.stem, text
    elif path.suffix == ".json":
        made = json.loads(text).get("chat_template")
        if isinstance(made, str):
            yield path.stem, made
    elif path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.endswith("_template"):
                if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) and "{%" in node.value.value:
                    yield f"{path.stem}.{node.targets[0].id}", node.value.value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=pathlib.Path, default=[OWN])
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "prompt" / "templates.json.gz")
    options = parser.parse_args()
    found = {}
    for folder in options.folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".jinja", ".json", ".py"):
                for name, source in sources(path):
                    if source.strip() and source not in found.values():
                        found[name if name not in found else f"{folder.name}/{name}"] = source
    templates = [{"name": name, "source": source, "renderings": renderings(source)} for name, source in found.items()]
    content = {"versions": {"jinja2": jinja2.__version__}, "now": NOW.isoformat(), "expressions": expressions(), "dates": dates(), "conversations": CONVERSATIONS, "templates": templates}
    options.out.write_bytes(gzip.compress(json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode(), mtime=0))
    print(len(templates), "templates")


if __name__ == "__main__":
    main()
