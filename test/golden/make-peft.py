"""Prompt tuning by PEFT, to hold ours against: the same model, data, first rows and order of examples.

    python test/golden/make-peft.py MODEL TRAIN.jsonl HELD_OUT.jsonl OUT [--steps 200] [--batch 8] [--rate 0.01]
    python test/golden/make-peft.py MODEL --logits ADAPTER "a text"       (JSON on stdout: logits after it under an adapter)

OUT gets peft.json (order, losses, accuracy before and after), start/ and trained/ (adapters as PEFT saves them).
Needs torch, transformers, peft.
"""

import argparse
import hashlib
import json
import os

import torch
from peft import PeftModel, PromptTuningConfig, PromptTuningInit, TaskType, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("files", nargs="*")
parser.add_argument("--logits", nargs=2)
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--rate", type=float, default=0.01)
parser.add_argument("--tokens", type=int, default=20)
parser.add_argument("--warmup", type=int, default=10)
options = parser.parse_args()

torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(options.model, "tokenizer.json"))


def encode(text):
    return tokenizer.encode(text, add_special_tokens=False)


if options.logits:
    adapter, text = options.logits
    tuned = PeftModel.from_pretrained(model, adapter).eval()
    with torch.no_grad():
        logits = tuned(input_ids=torch.tensor([encode(text)])).logits[0, -1]
    print(json.dumps({"kind": tuned.peft_config["default"].peft_type.value, "logits": logits.tolist()}))
    raise SystemExit

train_file, held_out_file, out = options.files
def read(file):
    with open(file) as lines:
        rows = [json.loads(line) for line in lines]
    return [(encode(row["text"] + "\nLabel:"), " " + row["label"]) for row in rows]


train, held_out = read(train_file), read(held_out_file)
labels = sorted({label for _, label in train + held_out})
label_ids = {label: encode(label) for label in labels}

config = PromptTuningConfig(
    task_type=TaskType.CAUSAL_LM, num_virtual_tokens=options.tokens, prompt_tuning_init=PromptTuningInit.RANDOM
)
tuned = get_peft_model(model, config)
rows = tuned.prompt_encoder["default"].embedding.weight
with torch.no_grad():  # rows of the model's own table: the start that works
    table = model.get_input_embeddings().weight
    rows.copy_(table[torch.randint(0, table.shape[0], (options.tokens,))])
tuned.save_pretrained(os.path.join(out, "start"), save_embedding_layers=False)


def pad(sequences):
    """Right padding: nothing stands between the virtual tokens and the text."""
    longest = max(len(ids) for ids, _ in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    wanted = torch.full_like(ids, -100)
    for row, (prompt_and_target, target) in enumerate(sequences):
        n = len(prompt_and_target)
        ids[row, :n] = torch.tensor(prompt_and_target)
        mask[row, :n] = 1
        wanted[row, n - len(target) : n] = torch.tensor(target)
    return ids, mask, wanted


def judge():
    right = 0
    for begin in range(0, len(held_out), 50):
        part = held_out[begin : begin + 50]
        sums = []
        for label in labels:
            ids, mask, wanted = pad([(prompt + label_ids[label], label_ids[label]) for prompt, _ in part])
            with torch.no_grad():
                logits = tuned(input_ids=ids, attention_mask=mask).logits[:, options.tokens :]
            logp = torch.log_softmax(logits[:, :-1], -1)
            picked = logp.gather(-1, wanted[:, 1:].clamp(min=0).unsqueeze(-1)).squeeze(-1)
            sums.append((picked * (wanted[:, 1:] >= 0)).sum(-1))
        best = torch.stack(sums).argmax(0)
        right += sum(labels[b] == label for b, (_, label) in zip(best, part))
    return right / len(held_out)


before = judge()
order, losses = [], []
generator = torch.Generator().manual_seed(1)
queue = []
optimizer = torch.optim.AdamW([rows], lr=options.rate, weight_decay=0.0)
for step in range(1, options.steps + 1):
    while len(queue) < options.batch:
        queue += torch.randperm(len(train), generator=generator).tolist()
    chosen, queue = queue[: options.batch], queue[options.batch :]
    ids, mask, wanted = pad([(train[i][0] + label_ids[train[i][1]], label_ids[train[i][1]]) for i in chosen])
    loss = tuned(input_ids=ids, attention_mask=mask, labels=wanted).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_([rows], 1.0)
    for group in optimizer.param_groups:
        group["lr"] = options.rate * min(1, step / options.warmup)
    optimizer.step()
    optimizer.zero_grad()
    order.append(chosen)
    losses.append(loss.item())
    if step % 20 == 0:
        print(step, round(loss.item(), 4), flush=True)

after = judge()
print("held out: before", before, "after", after)
tuned.save_pretrained(os.path.join(out, "trained"), save_embedding_layers=False)
text = "The dinner was superb.\nLabel:"
with torch.no_grad():
    logits = tuned(input_ids=torch.tensor([encode(text)])).logits[0, -1]
with open(os.path.join(options.model, "model.safetensors"), "rb") as file:
    weights = hashlib.sha256(file.read()).hexdigest()
for adapter in ["start", "trained"]:
    os.remove(os.path.join(out, adapter, "README.md"))
with open(os.path.join(out, "peft.json"), "w") as file:
    run = {"steps": options.steps, "batch": options.batch, "rate": options.rate, "warmup": options.warmup}
    json.dump(
        {
            **run,
            "before": before,
            "after": after,
            "text": text,
            "logprobs": torch.log_softmax(logits, -1)[:64].tolist(),
            "weights": weights,
            "order": order,
            "losses": losses,
        },
        file,
    )
