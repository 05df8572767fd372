"""lm-evaluation-harness through a running server's /completions, held against transformers on the same checkpoint: equal
log-likelihoods within 1e-3 and the same greedy verdicts, request by request. The tasks are local JSON files, written here.

    pip install "lm-eval[api]" torch transformers
    npm run -s plainformer -- serve --model DIRECTORY --port 8000
    python test/conformance/lm-eval.py DIRECTORY http://127.0.0.1:8000
"""

import json
import sys
import tempfile
from pathlib import Path

import lm_eval
from lm_eval.tasks import TaskManager
from transformers import AutoTokenizer

tolerance = 1e-3

questions = [
    ("The capital of France is", [" Paris", " Rome", " a banana", " the moon"]),
    ("Once upon a time, there was a little", [" girl", " boy who lived alone", " integral", " 42"]),
    ("Water boils at", [" one hundred degrees Celsius", " ten degrees", " noon", " the library"]),
    ("def add(a, b):\n    return", [" a + b", " a - b", " None", ' "a"']),
    ("The opposite of hot is", [" cold", " warm", " purple", " hot"]),
    ("2 + 2 =", [" 4", " 5", " 22", " fish"]),
    ("The cat sat on the", [" mat", " roof of the old house", " equation", " of"]),
    ("In the morning the sun", [" rises in the east", " sets", " is made of cheese", " sings"]),
    ("Grüße aus", [" München", " Köln", " 東京", " 🦊"]),
    ("A dog says", [' "woof"', ' "meow"', " nothing", "\n\n"]),
]
texts = [
    "The little fox lived in the forest. Every morning it went to the river to drink.",
    "It was raining when Anna left the house, so she took her blue umbrella with her. " * 4,
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. 🦊🐻",
]

choice_task = """
task: local_choices
dataset_path: json
dataset_kwargs: {{data_files: {{validation: "{file}"}}}}
validation_split: validation
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: choices
doc_to_target: 0
target_delimiter: ""
metric_list: [{{metric: acc}}]
"""
rolling_task = """
task: local_texts
dataset_path: json
dataset_kwargs: {{data_files: {{validation: "{file}"}}}}
validation_split: validation
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{text}}}}"
metric_list: [{{metric: bits_per_byte}}]
"""


def responses(model: str, arguments: dict, tasks: Path) -> dict:
    """(task, document, request) -> (log-likelihood, greedy or None)"""
    found = lm_eval.simple_evaluate(
        model=model,
        model_args=arguments,
        tasks=["local_choices", "local_texts"],
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        batch_size=4,
        log_samples=True,
        bootstrap_iters=0,
    )
    out = {}
    for task, samples in found["samples"].items():
        for sample in samples:
            for i, (response,) in enumerate(sample["resps"]):
                pair = response if isinstance(response, (list, tuple)) else (response, None)
                out[task, sample["doc_id"], i] = (float(pair[0]), pair[1])
    return out


def main() -> None:
    directory, url = sys.argv[1:]
    bos = AutoTokenizer.from_pretrained(directory).bos_token_id
    with tempfile.TemporaryDirectory() as folder:
        tasks = Path(folder)
        choices = [{"question": question, "choices": options} for question, options in questions]
        for name, rows, task in [
            ("choices", choices, choice_task),
            ("texts", [{"text": text} for text in texts], rolling_task),
        ]:
            file = tasks / f"{name}.jsonl"
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
            (tasks / f"{name}.yaml").write_text(task.format(file=file))
        ours = responses(
            "local-completions",
            {
                "base_url": f"{url}/v1/completions",
                "model": "deepseek-chat",
                "tokenizer": directory,
                "tokenizer_backend": "huggingface",
                "tokenized_requests": True,
                "num_concurrent": 4,
                "max_length": 2048,
                # The harness has two defaults here, one for each of its two models.
                "add_bos_token": False,
                "custom_prefix_token_id": bos,
            },
            tasks,
        )
        theirs = responses(
            "hf",
            {
                "pretrained": directory,
                "dtype": "float32",
                "device": "cpu",
                "max_length": 2048,
                "add_bos_token": False,
                "prefix_token_id": bos,
            },
            tasks,
        )
    assert ours.keys() == theirs.keys() and len(ours) == 4 * len(questions) + len(texts)
    worst = max(abs(ours[key][0] - theirs[key][0]) for key in ours)
    verdicts = sum(bool(ours[key][1]) != bool(theirs[key][1]) for key in ours if theirs[key][1] is not None)
    print(f"{len(ours)} log-likelihoods, largest difference {worst:.2e}, {verdicts} greedy verdicts differ")
    if not worst <= tolerance or verdicts:
        for key in ours:
            print(key, ours[key], theirs[key])
        sys.exit(1)


main()
