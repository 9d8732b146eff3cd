// The models: which there are, which are loaded, and how to load or free one.
import * as api from './api.js';
import { refresh, status, useStatus } from './status.js';
import { bytes, html, number, tell, useState, useValue } from './ui.js';

const states = { ready: 'ready', loading: 'loading', unloaded: 'not loaded', failed: 'failed' };

function Model({ model }) {
  const [isBusy, setBusy] = useState(false);
  const run = async work => {
    setBusy(true);
    try {
      const working = work(model.id);
      refresh();
      await working;
    } catch (error) {
      tell(error.message, true);
    }
    setBusy(false);
    refresh();
  };
  const facts = [
    model.architecture, model.parameter_count && `${(model.parameter_count / 1e6).toFixed(1)} M parameters`, model.context_length && `context ${number(model.context_length)}`,
    model.size_bytes && `${bytes(model.size_bytes)} file`, model.bytes && `${bytes(model.bytes.weights + model.bytes.scratch)} in memory, cache up to ${bytes(model.bytes.cache)}`,
  ].filter(Boolean);
  return html`<li class="card model">
    <div class="row spread"><h3>${model.id}</h3><span class=${`badge ${model.status}`}>${states[model.status]}${model.status === 'loading' && model.progress > 0 ? ` ${Math.round(100 * model.progress)} %` : ''}</span></div>
    ${facts.length > 0 && html`<p class="dim">${facts.join(' · ')}</p>`}
    ${model.status === 'loading' && html`<progress aria-label=${`loading ${model.id}`} value=${model.progress}></progress>`}
    ${model.error && html`<p class="error">${model.error}</p>`}
    <div class="row">
      ${(model.status === 'unloaded' || model.status === 'failed') && html`<button type="button" disabled=${isBusy} onClick=${() => run(api.load)}>Load</button>`}
      ${model.status === 'ready' && model.on_demand && html`<button type="button" disabled=${isBusy} onClick=${() => run(api.unload)}>Unload</button>`}
      ${model.status === 'ready' && !model.on_demand && html`<span class="dim">stays loaded: the configuration lists it</span>`}
    </div>
  </li>`;
}

export function ModelsView() {
  useStatus(1500);
  const now = useValue(status);
  return html`<section class="page" tabindex="0" aria-labelledby="models-title"><h2 id="models-title">Models</h2>
    ${now?.error && html`<p class="error" role="alert">${now.error}</p>`}
    <ul class="cards">${now?.models?.map(model => html`<${Model} key=${model.id} model=${model} />`)}</ul>
    ${now?.presets?.length > 0 && html`<h3>Presets</h3><ul class="plain">${now.presets.map(preset => html`<li><strong>${preset.id}</strong> <span class="dim">of ${preset.model}</span></li>`)}</ul>`}
  </section>`;
}
