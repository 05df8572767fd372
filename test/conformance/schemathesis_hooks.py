"""What makes schemathesis' examples reach the model: the name of a model that is there, rows of its width, and few tokens.
Loaded by test/conformance/schemathesis.sh. The width comes from HIDDEN_SIZE."""

import os

import schemathesis

width = int(os.environ["HIDDEN_SIZE"])


def is_rows(value):
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(row, list) and all(isinstance(x, (int, float)) for x in row) for row in value)
    )


def fitted(value, key=""):
    """Rows of numbers as wide as the model's, in fields that hold embeddings."""
    if "embeds" in key and is_rows(value):
        return [((row or [0]) * width)[:width] for row in value]
    if key == "candidates" and isinstance(value, list):
        return [fitted(item, "embeds") for item in value]
    if isinstance(value, dict):
        return {name: fitted(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [fitted(item, "") for item in value]
    return value


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    body = fitted(body)
    if isinstance(body.get("model"), str):
        body["model"] = "deepseek-chat"
    if body.get("max_tokens") is None and body.get("max_completion_tokens") is None:
        body["max_tokens"] = 4
    for name in ("max_tokens", "max_completion_tokens"):
        if isinstance(body.get(name), int) and 8 < body[name] <= 8192:
            body[name] = 8
    return body
