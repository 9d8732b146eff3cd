// The service, as the page uses it.
import { value } from './ui.js';

const keyName = 'hearth.key';

/** Kept for as long as the tab is open and no longer. */
export const apiKey = value(sessionStorage.getItem(keyName) ?? '');

/** Whether the service asked for a key and did not get the right one. */
export const needsKey = value(false);

export function setKey(key) {
  if (key) sessionStorage.setItem(keyName, key);
  else sessionStorage.removeItem(keyName);
  needsKey.set(false);
  apiKey.set(key);
}

/** A refusal, in the service's words. */
export class ServiceError extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function ask(path, { body, signal } = {}) {
  const headers = {};
  if (apiKey.get()) headers.Authorization = `Bearer ${apiKey.get()}`;
  if (body) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body), signal, cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ServiceError('The service does not answer.', 0, 'unreachable');
  }
  if (response.ok) return response;
  const refusal = await response.json().then(json => json.error, () => null);
  const message = typeof refusal === 'string' ? refusal : refusal?.message;
  if (response.status === 401) needsKey.set(true);
  throw new ServiceError(message ?? `The service refused with status ${response.status}.`, response.status, refusal?.code);
}

export const status = signal => ask('/hearth/status', { signal }).then(response => response.json());

export const lens = (body, signal) => ask('/hearth/lens', { body, signal }).then(response => response.json());

/** Loads a model and answers once it is there. */
export const load = id => ask('/api/generate', { body: { model: id, stream: false } });

/** Frees a model once nobody uses it. */
export const unload = id => ask('/api/generate', { body: { model: id, keep_alive: 0, stream: false } });

/** A chat's answer: every event of the stream in turn. */
export async function* chat(body, signal) {
  const response = await ask('/v1/chat/completions', { body: { ...body, stream: true, stream_options: { include_usage: true } }, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let ended = false;
  try {
    for (;;) {
      const { value: piece, done } = await reader.read();
      if (done) break;
      rest += piece;
      let end;
      while ((end = rest.indexOf('\n\n')) >= 0) {
        const event = rest.slice(0, end);
        rest = rest.slice(end + 2);
        const data = event.split('\n').filter(line => line.startsWith('data:')).map(line => line.slice(5).trimStart()).join('\n');
        if (data === '[DONE]') ended = true;
        else if (data) {
          const item = JSON.parse(data);
          if (item.error) throw new ServiceError(item.error.message ?? 'The answer failed.', 200, item.error.code);
          yield item;
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
  if (!ended) throw new ServiceError('The connection broke before the answer was complete.', 0, 'cut');
}
