// What the browser remembers of how answers are to be made. An empty value leaves it to the model's own default.
import { value } from './ui.js';

const name = 'hearth.settings';

/** Numbers with the ranges that the service takes. */
export const numbers = [
  { key: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.05, help: '0 always takes the likeliest token' },
  { key: 'top_p', label: 'Top p', min: 0, max: 1, step: 0.01, help: 'share of the probability that is drawn from' },
  { key: 'top_k', label: 'Top k', min: 0, max: 1000, step: 1, help: 'likeliest tokens that are drawn from' },
  { key: 'min_p', label: 'Min p', min: 0, max: 1, step: 0.01, help: 'least probability, of the likeliest token’s' },
  { key: 'repetition_penalty', label: 'Repetition penalty', min: 0.1, max: 3, step: 0.01, help: '1 changes nothing' },
  { key: 'max_tokens', label: 'Most tokens', min: 1, max: 1000000, step: 1, help: 'of one answer' },
  { key: 'seed', label: 'Seed', min: 0, max: 9007199254740991, step: 1, help: 'the same seed gives the same answer' },
  { key: 'thinking_budget', label: 'Thinking budget', min: 0, max: 1000000, step: 1, help: 'tokens of thoughts, where a model thinks' },
];

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(name) ?? '{}');
    return typeof kept === 'object' && kept !== null ? kept : {};
  } catch {
    return {};
  }
}

export const settings = value(read());

export function change(changes) {
  const next = { ...settings.get(), ...changes };
  for (const key of Object.keys(next)) if (next[key] === '' || next[key] === undefined || next[key] === null) delete next[key];
  localStorage.setItem(name, JSON.stringify(next));
  settings.set(next);
}

/** The tools of a text of JSON: an array as the API takes it. Throws with what is wrong. */
export function readTools(text) {
  if (!text?.trim()) return [];
  const tools = JSON.parse(text);
  if (!Array.isArray(tools)) throw new SyntaxError('an array is expected');
  for (const tool of tools) {
    if (tool?.type !== 'function' || typeof tool.function?.name !== 'string') throw new SyntaxError('each must be {"type": "function", "function": {"name": …}}');
  }
  return tools;
}

/** The fields of a request that the settings make. */
export function requestFields() {
  const chosen = settings.get();
  const fields = {};
  for (const { key } of numbers) if (typeof chosen[key] === 'number') fields[key] = chosen[key];
  if (chosen.stop) fields.stop = chosen.stop.split('\n').filter(line => line.length > 0);
  if (chosen.reasoning_effort) fields.reasoning_effort = chosen.reasoning_effort;
  const tools = readTools(chosen.tools);
  if (tools.length > 0) fields.tools = tools;
  return fields;
}

export const theme = value(document.documentElement.dataset.theme ?? 'auto');

export function setTheme(next) {
  if (next === 'auto') {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem('hearth.theme');
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem('hearth.theme', next);
  }
  theme.set(next);
}
