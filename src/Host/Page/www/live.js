// What goes on now: queue, speed, and a map of each model's cache.
import { theme } from './settings.js';
import { speeds, status, useStatus } from './status.js';
import { bytes, html, number, useEffect, useRef, useValue } from './ui.js';

const uses = ['free', 'cached', 'used', 'shared'];
const explained = { free: 'nobody’s', cached: 'a prefix kept for whoever begins alike', used: 'one request’s', shared: 'of several, or of one and kept' };

function CacheMap({ cache }) {
  const canvas = useRef(null);
  const legend = useRef(null);
  const draw = () => {
    const element = canvas.current;
    if (!element) return;
    const width = element.clientWidth;
    const cell = cache.cells.length > 400 ? 10 : 14;
    const columns = Math.max(1, Math.floor(width / cell));
    const lines = Math.ceil(cache.cells.length / columns);
    const scale = devicePixelRatio;
    element.style.height = `${lines * cell}px`;
    element.width = width * scale;
    element.height = lines * cell * scale;
    const context = element.getContext('2d');
    context.scale(scale, scale);
    const colours = uses.map(use => getComputedStyle(legend.current.querySelector(`.${use}`)).backgroundColor);
    for (let i = 0; i < cache.cells.length; i++) {
      context.fillStyle = colours[cache.cells.charCodeAt(i) - 48];
      context.fillRect((i % columns) * cell, Math.floor(i / columns) * cell, cell - 2, cell - 2);
    }
  };
  useEffect(draw, [cache.cells, useValue(theme)]);
  const latest = useRef(draw);
  latest.current = draw;
  useEffect(() => {
    const observer = new ResizeObserver(() => latest.current());
    observer.observe(canvas.current);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const redraw = () => latest.current();
    scheme.addEventListener('change', redraw);
    return () => {
      observer.disconnect();
      scheme.removeEventListener('change', redraw);
    };
  }, []);
  const text = `${number(cache.used_pages)} pages in use, ${number(cache.cached_pages)} cached, ${number(cache.free_pages)} free`;
  return html`<canvas class="cache-map" ref=${canvas} role="img" aria-label=${text}></canvas>
    <ul class="legend" ref=${legend}>${uses.map(use => html`<li><span class=${`swatch ${use}`}></span><span><strong>${use}</strong> <span class="dim">${explained[use]}</span></span></li>`)}</ul>
    <p class="dim">${text}${cache.pages_per_cell > 1 ? `; a square is ${cache.pages_per_cell} pages` : ''}; ${cache.page_tokens} tokens a page; ${number(cache.sequences)} sequences; ${number(cache.evicted_pages)} pages evicted, ${number(cache.copied_pages)} copied so far</p>`;
}

function Speed({ values }) {
  const most = Math.max(10, ...values);
  const points = values.map((speed, index) => `${(100 * (index + 90 - values.length)) / 89},${(38 - (36 * speed) / most).toFixed(2)}`).join(' ');
  const now = values[values.length - 1] ?? 0;
  return html`<div class="speed"><svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label=${`${number(now)} tokens a second now, at most ${number(Math.max(0, ...values))} of late`}><polyline points=${points} /></svg>
    <span class="big">${number(now)}</span> <span class="dim">tokens a second</span></div>`;
}

function Fact({ name, children }) {
  return html`<div class="fact"><span class="big">${children}</span> <span class="dim">${name}</span></div>`;
}

function Model({ model }) {
  const { counters } = model;
  return html`<li class="card"><div class="row spread"><h3>${model.id}</h3><span class=${`badge ${model.status}`}>${model.status === 'unloaded' ? 'not loaded' : model.status}</span></div>
    <div class="facts">
      <${Speed} values=${speeds.get(model.id) ?? []} />
      <${Fact} name="running">${number(model.running_requests ?? 0)}<//>
      <${Fact} name="waiting">${number(model.waiting_requests ?? 0)}<//>
      <${Fact} name="answers">${number(counters.texts)}<//>
      <${Fact} name="tokens written">${number(counters.completion_tokens)}<//>
      <${Fact} name=${`of prompts${counters.prompt_tokens ? `, ${Math.round((100 * counters.cached_tokens) / counters.prompt_tokens)} % cached` : ''}`}>${number(counters.prompt_tokens)}<//>
    </div>
    ${model.cache && html`<h4>Cache <span class="dim">${model.bytes ? `up to ${bytes(model.bytes.cache)}` : ''}</span></h4><${CacheMap} cache=${model.cache} />`}
  </li>`;
}

export function LiveView() {
  useStatus(1000);
  const now = useValue(status);
  const models = (now?.models ?? []).filter(model => model.status !== 'unloaded' || model.counters.texts > 0);
  return html`<section class="page" tabindex="0" aria-labelledby="live-title"><h2 id="live-title">Live</h2>
    ${now?.error && html`<p class="error" role="alert">${now.error}</p>`}
    ${now?.models && models.length === 0 && html`<p class="dim">No model is loaded.</p>`}
    <ul class="cards wide">${models.map(model => html`<${Model} key=${model.id} model=${model} />`)}</ul>
  </section>`;
}
