// Answers that are being written: one for each chat at most. They go on while another chat or view shows.
import * as api from './api.js';
import * as chats from './chats.js';
import { requestFields, settings } from './settings.js';
import { announcement, tell, value } from './ui.js';

/** By the chat's id: the message that is being written, and how to stop. */
export const writing = value(new Map());

function setWriting(id, entry) {
  const next = new Map(writing.get());
  if (entry) next.set(id, entry);
  else next.delete(id);
  writing.set(next);
}

export function stop(chatId) {
  writing.get().get(chatId)?.stop();
}

/** What of an answer has come. */
class Collected {
  content = '';
  reasoning = '';
  calls = [];
  finish = null;
  usage = null;
  timings = null;
  warnings = [];
  pieces = 0;
  first = 0;
  last = 0;

  add(event) {
    if (event.usage) this.usage = event.usage;
    if (event.timings) this.timings = event.timings;
    if (event.warnings) this.warnings.push(...event.warnings);
    const choice = event.choices?.[0];
    if (!choice) return;
    const { content, reasoning_content: reasoning, tool_calls: calls } = choice.delta ?? {};
    if (content || reasoning || calls) {
      this.last = performance.now();
      this.first ||= this.last;
      this.pieces++;
    }
    if (content) this.content += content;
    if (reasoning) this.reasoning += reasoning;
    for (const call of calls ?? []) {
      const known = this.calls[call.index] ?? { id: '', name: '', arguments: '' };
      this.calls[call.index] = { id: call.id ?? known.id, name: known.name + (call.function?.name ?? ''), arguments: known.arguments + (call.function?.arguments ?? '') };
    }
    if (choice.finish_reason) this.finish = choice.finish_reason;
  }

  message(state, began) {
    const tokens = this.usage?.completion_tokens ?? this.pieces;
    const seconds = (this.last - this.first) / 1000;
    return {
      content: this.content, reasoning: this.reasoning, calls: this.calls.filter(Boolean), state, finish: this.finish, warnings: this.warnings,
      stats: {
        tokens, prompt: this.usage?.prompt_tokens, cached: this.usage?.prompt_tokens_details?.cached_tokens,
        first: this.first ? (this.first - began) / 1000 : null, rate: tokens > 1 && seconds > 0.02 ? this.timings?.predicted_per_second ?? (tokens - 1) / seconds : null,
      },
    };
  }
}

// As often as the screen is drawn, but no more than a quarter of the time: drawing must not keep keys and clicks waiting. A page
// that does not show is not drawn at all.
function drawer(draw) {
  let waiting = false;
  let pause = 0;
  let timer = 0;
  const run = () => {
    waiting = false;
    const began = performance.now();
    draw();
    requestAnimationFrame(() => { pause = Math.min(1000, 3 * (performance.now() - began)); });
  };
  return {
    request() {
      if (waiting) return;
      waiting = true;
      timer = setTimeout(run, Math.max(16, pause));
    },
    end() {
      clearTimeout(timer);
      waiting = true;
    },
  };
}

/** Answers behind a message, in a branch of its own. */
export async function answer(chatId, parent, model) {
  if (writing.get().has(chatId)) return;
  let chat = chats.find(chatId);
  if (!chat) return;
  const messages = chats.upTo(chat, parent).map(chats.toWire);
  const system = settings.get().system?.trim();
  if (system) messages.unshift({ role: 'system', content: system });
  let fields;
  try {
    fields = requestFields();
  } catch (error) {
    tell(`The tools in the settings are no JSON of tools: ${error.message}`, true);
    return;
  }

  let node;
  [chat, node] = chats.add(chat, parent, { role: 'assistant', state: 'writing', model });
  chats.put(chat);
  const aborting = new AbortController();
  setWriting(chatId, { node: node.id, stop: () => aborting.abort() });
  announcement.set('The answer is being written.');
  const collected = new Collected();
  const began = performance.now();
  const show = (state, { keep = false, ...more } = {}) => {
    const current = chats.find(chatId);
    if (current?.nodes[node.id]) chats.put(chats.change(current, node.id, { ...collected.message(state, began), ...more }), { keep });
  };
  const drawing = drawer(() => show('writing'));
  let end = { state: 'done' };
  try {
    for await (const event of api.chat({ model: model || undefined, messages, ...fields }, aborting.signal)) {
      collected.add(event);
      drawing.request();
    }
  } catch (error) {
    end = error.name === 'AbortError' ? { state: 'stopped' } : { state: 'failed', error: error.message ?? String(error) };
  }

  drawing.end();
  show(end.state, { keep: true, error: end.error });
  setWriting(chatId, null);
  announcement.set({ done: 'The answer is complete.', stopped: 'The answer was stopped.', failed: `The answer failed: ${end.error}` }[end.state]);
}
