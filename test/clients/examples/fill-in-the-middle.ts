// Fill in the middle (beta): the beginning and the end of a function are given, the model writes what is between.
// The example of DeepSeek's announcement of July 2024.

import OpenAI from "openai";

const url = process.env.PLAINFORMER_URL ?? "http://127.0.0.1:8000";
const client = new OpenAI({ baseURL: `${url}/beta`, apiKey: "any" });

const { choices } = await client.completions.create({
  model: "deepseek-chat",
  prompt: "def fib(a):\n",
  suffix: "    return fib(a-1) + fib(a-2)\n",
  max_tokens: 128,
  temperature: 0,
});
console.log(choices[0].text);
