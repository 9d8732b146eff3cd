// What an answer's tokens looked at: the attention probabilities of a layer, head by head, out of the model's own kernels.
import * as api from './api.js';
import * as chats from './chats.js';
import { settings } from './settings.js';
import { html, IconButton, useEffect, useMemo, useRef, useState, useValue, value } from './ui.js';

const opened = value(null);

export function openLens(chatId, nodeId, model) {
  opened.set({ chatId, nodeId, model });
}

/** 16-bit numbers, of which 65535 is 1. */
function weights(layer) {
  const binary = atob(layer.weights);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return new Uint16Array(bytes.buffer);
}

// What a row gives each key: of one head, or the mean of all.
function row(layer, all, head, query) {
  const { heads, rows, keys } = layer;
  const given = new Float32Array(keys);
  const [first, last] = head < 0 ? [0, heads] : [head, head + 1];
  for (let h = first; h < last; h++) {
    const start = (h * rows + query) * keys;
    for (let key = 0; key < keys; key++) given[key] += all[start + key] / 65535 / (last - first);
  }
  return given;
}

function Tokens({ tokens, start, given, chosen, onChoose }) {
  const place = useRef(null);
  const onKeyDown = event => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -tokens.length, End: tokens.length }[event.key];
    if (!step) return;
    event.preventDefault();
    const to = Math.max(0, Math.min(tokens.length - 1, chosen + step));
    onChoose(to);
    place.current.children[to].focus();
  };
  return html`<div class="tokens" ref=${place} role="listbox" aria-label="Tokens" aria-orientation="horizontal" onKeyDown=${onKeyDown}>
    ${tokens.map((text, index) => html`<span key=${index} role="option" aria-selected=${index === chosen} tabindex=${index === chosen ? 0 : -1}
      class=${`token${index === chosen ? ' chosen' : ''}${index >= start ? ' answered' : ''}`} style=${{ '--weight': Math.sqrt(given[index] ?? 0).toFixed(3) }}
      title=${`${(100 * (given[index] ?? 0)).toFixed(1)} %`} onClick=${() => onChoose(index)}>${text}</span>`)}
  </div>`;
}

function Best({ tokens, given }) {
  const best = [...given.keys()].sort((a, b) => given[b] - given[a]).slice(0, 8);
  return html`<table class="best"><thead><tr><th>Token</th><th>Place</th><th>Share</th></tr></thead><tbody>
    ${best.map(index => html`<tr><td><code>${tokens[index]}</code></td><td>${index}</td><td class="share"><meter min="0" max="1" value=${given[index]} aria-label="share"></meter> ${(100 * given[index]).toFixed(1)} %</td></tr>`)}
  </tbody></table>`;
}

function View({ chatId, nodeId, model }) {
  const [layer, setLayer] = useState(0);
  const [head, setHead] = useState(-1);
  const [chosen, setChosen] = useState(null);
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    const aborting = new AbortController();
    setError(null);
    const messages = chats.upTo(chats.find(chatId), nodeId).map(chats.toWire);
    const system = settings.get().system?.trim();
    if (system) messages.unshift({ role: 'system', content: system });
    api.lens({ model: model || undefined, messages, layer }, aborting.signal)
      .then(got => setAnswer({ ...got, all: weights(got.lens.layers[0]) }), failure => failure.name !== 'AbortError' && setError(failure.message));
    return () => aborting.abort();
  }, [layer]);
  const shown = answer?.lens.layers[0];
  const at = Math.min(chosen ?? answer?.answer_start ?? 0, (shown?.rows ?? 1) - 1);
  const given = useMemo(() => (shown ? row(shown, answer.all, Math.min(head, shown.heads - 1), at) : null), [answer, head, at]);
  if (error) return html`<p class="error" role="alert">${error}</p>`;
  if (!answer) return html`<p class="dim">Reading the chat again, and looking …</p>`;
  return html`
    <div class="row">
      <label>Layer <select value=${layer} onChange=${event => setLayer(Number(event.target.value))}>${Array.from({ length: answer.layer_count }, (_, index) => html`<option value=${index}>${index}</option>`)}</select></label>
      <label>Head <select value=${head} onChange=${event => setHead(Number(event.target.value))}><option value="-1">mean of all</option>${Array.from({ length: shown.heads }, (_, index) => html`<option value=${index}>${index}</option>`)}</select></label>
    </div>
    <p class="dim">Choose a token (arrow keys move): the stronger the colour of another, the more it looked at it. The answer’s tokens are underlined.</p>
    <${Tokens} tokens=${answer.lens.tokens} start=${answer.answer_start} given=${given} chosen=${at} onChoose=${setChosen} />
    <h3>“${answer.lens.tokens[at]}” looked at</h3>
    <${Best} tokens=${answer.lens.tokens} given=${given} />`;
}

export function LensDialog() {
  const what = useValue(opened);
  const dialog = useRef(null);
  useEffect(() => {
    if (what && !dialog.current.open) dialog.current.showModal();
  }, [what]);
  if (!what) return null;
  return html`<dialog class="lens" ref=${dialog} aria-labelledby="lens-title" onClose=${() => opened.set(null)}>
    <header class="row"><h2 id="lens-title">What the answer looked at</h2><${IconButton} icon="close" label="Close" onClick=${() => dialog.current.close()} /></header>
    <${View} key=${what.nodeId} ...${what} />
  </dialog>`;
}
