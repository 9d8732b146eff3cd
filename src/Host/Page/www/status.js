// What the service does, asked again and again while somebody looks.
import * as api from './api.js';
import { apiKey, needsKey } from './api.js';
import { useEffect, value } from './ui.js';

/** Samples of each model's speed that are kept. */
const samples = 90;

/** { models, presets, default } of the service, or { error }; null before it first answered. */
export const status = value(null);

/** By the model's id: tokens a second, the newest last. */
export const speeds = new Map();

let last = null;
let asking = null;

function note(answer) {
  const now = performance.now();
  for (const model of answer.models) {
    const before = last?.models.get(model.id);
    const speed = speeds.get(model.id) ?? [];
    if (before !== undefined) speed.push(Math.max(0, (model.counters.streamed_tokens - before) / ((now - last.time) / 1000)));
    speeds.set(model.id, speed.slice(-samples));
  }
  last = { time: now, models: new Map(answer.models.map(model => [model.id, model.counters.streamed_tokens])) };
}

export async function refresh() {
  asking ??= (async () => {
    try {
      const answer = await api.status();
      note(answer);
      status.set(answer);
    } catch (error) {
      last = null;
      status.set({ error: error.message });
    } finally {
      asking = null;
    }
  })();
  return asking;
}

/** Asks every so many milliseconds while the component is there and the page shows. */
export function useStatus(interval) {
  useEffect(() => {
    const ask = () => document.hidden || needsKey.get() || refresh();
    ask();
    const timer = setInterval(ask, interval);
    const unfollow = apiKey.follow(ask);
    return () => {
      clearInterval(timer);
      unfollow();
    };
  }, [interval]);
}
