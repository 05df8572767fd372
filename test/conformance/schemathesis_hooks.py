"""What makes schemathesis' examples reach the model, which random ones seldom do: the name of a model that is there, rows
of its width, few tokens, and no two fields that exclude each other. Every second example is left as it came.
Loaded by test/conformance/schemathesis.sh. The width comes from HIDDEN_SIZE."""

import base64
import os

import schemathesis

width = int(os.environ["HIDDEN_SIZE"])
count = 0


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
    if "embeds" in key and isinstance(value, dict) and value.get("dtype") == "f32":
        return {"shape": [1, width], "dtype": "f32", "data": base64.b64encode(bytes(4 * width)).decode()}
    if key == "candidates" and isinstance(value, list):
        return [fitted(item, "embeds") for item in value]
    if isinstance(value, dict):
        return {name: fitted(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [fitted(item) for item in value]
    return value


def reconciled(body):
    """Without what the server refuses by name, or together with something else."""
    refused = ("functions", "function_call", "audio", "tool_choice", "parallel_tool_calls", "best_of")
    forms = ("response_format", "guided_json", "guided_regex", "guided_choice", "structured_outputs", "extra_body", "nvext")
    for name in refused + forms:
        body.pop(name, None)
    if not body.get("stream"):
        body.pop("stream_options", None)
    if not body.get("logprobs"):
        body.pop("top_logprobs", None)
    if body.get("input") is not None:
        for name in ("prompt", "prompt_embeds", "prompt_text", "suffix"):
            body.pop(name, None)
    if isinstance(body.get("suffix"), str):
        body.pop("echo", None)
        body.pop("prompt_embeds", None)
    if body.get("max_tokens") is not None:
        body.pop("max_completion_tokens", None)
    if isinstance(body.get("n"), int) and body["n"] > 3:
        body["n"] = 3
    if isinstance(body.get("logit_bias"), dict):
        body["logit_bias"] = {str(i): bias for i, bias in enumerate(body["logit_bias"].values())}
    for tool in body.get("tools") if isinstance(body.get("tools"), list) else []:
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
            tool["function"].pop("strict", None)
    if body.get("messages") is None and "prompt" not in body and "input" not in body and "prompt_embeds" not in body:
        body["messages"] = [{"role": "user", "content": "Hi"}]
    messages = body.get("messages")
    if isinstance(messages, list) and all(isinstance(message, dict) for message in messages):
        for message in messages:
            if message.get("role") == "tool":
                message["role"] = "user"
            for name in ("tool_call_id", "tool_calls", "prefix", "reasoning_content"):
                message.pop(name, None)
            if message.get("content") in (None, []):
                message["content"] = "Hi"
    return body


@schemathesis.hook
def map_body(context, body):
    global count
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
    count += 1
    return reconciled(body) if count % 2 else body
