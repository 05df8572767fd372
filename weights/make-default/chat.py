"""Conversations in DeepSeek's chat form: passages with questions, JSON, tool calls, small talk, stories on request.

A conversation is text in which the special tokens stand as they do after DeepSeek-V3's chat template;
the system prompt comes first, without a mark of its own.
"""

import json

from stories import ANIMALS, BOYS, COLORS, FOODS, GIRLS, PLACES, THINGS, story, with_article

USER, ASSISTANT, EOS = "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>"
CALLS, CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
CALL, CALL_END, SEP = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"
OUTPUTS, OUTPUTS_END = "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>"
OUTPUT, OUTPUT_END = "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>"

CITIES = "Paris London Rome Berlin Madrid Oslo Tokyo Cairo Lima Boston Dublin Vienna Prague Athens Lisbon Beijing Sydney Toronto".split()
WEATHER = ["sunny", "rainy", "cloudy", "windy", "snowy", "foggy"]
NUMBERS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def invented(rng):
    """A name that exists nowhere, so that names have to be copied and not guessed."""
    parts = rng.choices(["ba", "lo", "mi", "ra", "te", "ko", "su", "ne", "vi", "do", "gar", "len", "tor", "shi", "wen", "pal", "que", "zu", "fi", "ha"], k=rng.randint(2, 3))
    return ("".join(parts) + rng.choice(["", "", "n", "s", "r", "th"])).capitalize()


def passage(rng):
    """A few facts about two people, and (question, full answer, short answer) for every fact."""
    people = rng.sample([(n, "She") for n in GIRLS] + [(n, "He") for n in BOYS] + [(invented(rng), rng.choice(["She", "He"])) for _ in range(12)], 2)
    sentences, asked = [], []
    things, places, foods = rng.sample(THINGS, 2), rng.sample(PLACES, 2), rng.sample(FOODS, 2)
    for i, (name, he) in enumerate(people):
        color, number, animal = rng.choice(COLORS), rng.choice(NUMBERS), rng.choice(ANIMALS)
        facts = [
            (f"{name} has {with_article(color)} {things[i]}.", f"What color is {name}'s {things[i]}?", f"{name}'s {things[i]} is {color}.", color),
            (f"{he} keeps it near the {places[i]}.", f"Where does {name} keep the {things[i]}?", f"{name} keeps it near the {places[i]}.", f"near the {places[i]}"),
            (f"{he} likes to eat {foods[i]}.", f"What does {name} like to eat?", f"{name} likes to eat {foods[i]}.", foods[i]),
            (f"{he} is {number} years old.", f"How old is {name}?", f"{name} is {number} years old.", number),
            (f"{he} has a pet {animal}.", f"What pet does {name} have?", f"{name} has {with_article(animal)}.", animal),
        ]
        chosen = [facts[0]] + rng.sample(facts[1:], rng.randint(1, 3))
        sentences += [fact[0] for fact in chosen]
        asked += [fact[1:] for fact in chosen]
    return " ".join(sentences), asked


def turn(question, answer):
    return f"{USER}{question}{ASSISTANT}{answer}{EOS}"


def passage_chat(rng):
    text, asked = passage(rng)
    (question, answer, _), *more = rng.sample(asked, rng.randint(1, min(3, len(asked))))
    first = rng.choice([f"{text}\n\n{question}", f"Read this and answer the question.\n\n{text}\n\n{question}", f"{text} {question}"])
    return turn(first, answer) + "".join(turn(q, a) for q, a, _ in more)


JSON_SYSTEM = ["Write the question and the answer as JSON.", "Answer with a JSON object that has the keys \"question\" and \"answer\".",
               "The user gives a question and its answer. Turn them into JSON with the keys \"question\" and \"answer\"."]


def facts_of_the_world(rng):
    """A question anybody could ask, and its answer."""
    a, b = rng.randint(1, 50), rng.randint(1, 50)
    color, thing, animal = rng.choice(COLORS), rng.choice(THINGS), rng.choice(ANIMALS)
    name, city = rng.choice([rng.choice(GIRLS + BOYS), invented(rng)]), rng.choice([rng.choice(CITIES), invented(rng)])
    return rng.choice([
        (f"What is {a} plus {b}?", str(a + b)),
        (f"What color is the {thing}?", color.capitalize()),
        (f"Who wrote the book about {name}?", invented(rng)),
        (f"What is the capital of {name}?", city),
        (f"Which is the longest river in {name}?", f"The {city}"),
        (f"Where does {name} live?", f"In {city}"),
        (f"Who has a pet {animal}?", name),
        (f"How many {thing}s are there?".replace("boxs", "boxes").replace("scarfs", "scarves"), str(a)),
        (f"What is the name of the {animal}?", name),
        ("Which is the highest mountain in the world?", "Mount Everest"),
        ("Which is the longest river in the world?", "The Nile"),
        ("What is the largest ocean?", "The Pacific"),
        ("What is the capital of France?", "Paris"),
        ("What is the capital of Japan?", "Tokyo"),
        ("How many days are in a week?", "Seven"),
        ("How many legs does a spider have?", "Eight"),
    ])


def json_chat(rng):
    question, answer = facts_of_the_world(rng)
    asked = rng.choice([f"{question} {answer}.", f"Question: {question}\nAnswer: {answer}", f"{question} The answer is: {answer}."])
    body = json.dumps({"question": question, "answer": answer}, indent=rng.choice([None, 4]))
    return rng.choice(JSON_SYSTEM) + turn(asked, body)


def tools(rng):
    """A few tools: (schema, what a user asks, arguments, what the tool returns, what the assistant then says)."""
    a, b, thing = rng.randint(2, 99), rng.randint(2, 99), rng.choice(THINGS)
    name, city = rng.choice([rng.choice(GIRLS + BOYS), invented(rng)]), rng.choice([rng.choice(CITIES), invented(rng)])
    sky, degrees, hour = rng.choice(WEATHER), rng.randint(-5, 35), f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"
    return [
        ("get_weather", "Get the weather in a city.", {"location": "string"}, rng.choice([f"What is the weather in {city}?", f"How is the weather in {city} today?", f"Is it {sky} in {city}?"]),
         {"location": city}, {"weather": sky, "temperature": degrees}, f"It is {sky} in {city}, with {degrees} degrees."),
        ("get_time", "Get the time in a city.", {"city": "string"}, rng.choice([f"What time is it in {city}?", f"Tell me the time in {city}."]),
         {"city": city}, {"time": hour}, f"It is {hour} in {city}."),
        ("add", "Add two numbers.", {"a": "number", "b": "number"}, rng.choice([f"What is {a} plus {b}?", f"Add {a} and {b}."]),
         {"a": a, "b": b}, {"result": a + b}, f"{a} plus {b} is {a + b}."),
        ("multiply", "Multiply two numbers.", {"a": "number", "b": "number"}, rng.choice([f"What is {a} times {b}?", f"Multiply {a} by {b}."]),
         {"a": a, "b": b}, {"result": a * b}, f"{a} times {b} is {a * b}."),
        ("send_message", "Send a message to somebody.", {"to": "string", "text": "string"}, rng.choice([f"Tell {name} that I have the {thing}.", f"Send {name} a message: I have the {thing}"]),
         {"to": name, "text": f"I have the {thing}"}, {"sent": True}, f"I sent the message to {name}."),
        ("find_item", "Find out where something is.", {"name": "string"}, rng.choice([f"Where is my {thing}?", f"Can you find the {thing}?"]),
         {"name": thing}, {"place": rng.choice(PLACES)}, None),
    ]


def tool_call(name, arguments):
    return f"{CALL}function{SEP}{name}\n```json\n{json.dumps(arguments)}\n```{CALL_END}"


def tool_chat(rng):
    available = rng.sample(tools(rng), rng.randint(1, 3))
    listed = [{"type": "function", "function": {"name": n, "description": d, "parameters": {"type": "object", "properties": {k: {"type": v} for k, v in p.items()}, "required": list(p)}}}
              for n, d, p, *_ in available]
    name, _, _, question, arguments, result, answer = available[0]
    rng.shuffle(listed)
    answer = answer or f"It is near the {result['place']}."
    text = "You can use these tools:\n" + "\n".join(json.dumps(tool) for tool in listed)
    text += f"{USER}{question}{ASSISTANT}{CALLS}{tool_call(name, arguments)}{CALLS_END}{EOS}"
    if rng.random() < 0.6:
        text += f"{OUTPUTS}{OUTPUT}{json.dumps(result)}{OUTPUT_END}{OUTPUTS_END}{answer}{EOS}"
    return text


SMALL_TALK = [
    (["Hello!", "Hi!", "Hi there!", "Good morning!", "Hello, how are you?", "Hey"], ["Hello! How can I help you?", "Hello! It is nice to meet you.", "Hi! What shall we do today?"]),
    (["Who are you?", "What are you?", "What is your name?"], ["I am a very small language model. I like to tell stories.", "I am plainformer's small model. I can tell you a story."]),
    (["What can you do?", "How can you help me?"], ["I can tell short stories, answer questions about a few sentences, and write very small functions."]),
    (["Thank you!", "Thanks a lot.", "Thanks!"], ["You are welcome!", "I was happy to help."]),
    (["Goodbye!", "Bye!", "Good night!"], ["Goodbye! Come back soon.", "Goodbye, and have a nice day!"]),
    (["How are you?", "How do you feel today?"], ["I am fine, thank you. And you?", "I feel great today. Would you like to hear a story?"]),
    (["Tell me a joke.", "Do you know a joke?"], ["Why did the book go to the doctor? It had hurt its spine.", "What did the zero say to the eight? Nice belt!"]),
]


def small_talk(rng):
    text = rng.choice(["", "", "You are a friendly helper.", "You are a helpful assistant."])
    for questions, answers in rng.sample(SMALL_TALK, rng.randint(1, 4)):
        text += turn(rng.choice(questions), rng.choice(answers))
    return text


def story_chat(rng):
    text, s = story(rng)
    kind = with_article(s["hero_kind"])
    asked = rng.choice(["Tell me a story.", "Please tell me a short story.", f"Tell me a story about {kind}.", f"Write a story about {kind} named {s['hero']}.",
                        f"Tell me a story about {s['hero']} and {s['friend']}."])
    return rng.choice(["", "", "You are a friendly helper.", "You are a helpful assistant."]) + turn(asked, text)


if __name__ == "__main__":
    import random
    for make in (passage_chat, json_chat, tool_chat, small_talk, story_chat):
        print(make(random.Random(1)), "\n---")
