// One JSON object a line in ({"do": name, ...arguments}), one out ({"answer"} or {"error"}): how a test in Python leads a
// client in JavaScript, step by step (tests/javascript.py).
import { createInterface } from 'node:readline';

// What clients print is not part of the conversation.
for (const level of ['log', 'info', 'debug']) console[level] = console.error;

export async function talk(steps) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, ...given } = JSON.parse(line);
    let said;
    try {
      said = { answer: (await steps[name](given)) ?? null };
    } catch (trouble) {
      said = { error: String(trouble?.stack ?? trouble) };
    }
    process.stdout.write(JSON.stringify(said) + '\n');
  }
  process.exit(0);
}
