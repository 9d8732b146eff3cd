import { apiKey, needsKey, setKey } from './api.js';
import * as chats from './chats.js';
import { change, numbers, readTools, setTheme, settings, theme } from './settings.js';
import { refresh } from './status.js';
import { html, tell, useRef, useState, useValue } from './ui.js';

function Key() {
  const key = useValue(apiKey);
  const field = useRef(null);
  const save = event => {
    event.preventDefault();
    setKey(field.current.value.trim());
    refresh();
    tell(field.current.value ? 'The key is kept until this tab is closed.' : 'The key is forgotten.');
  };
  return html`<form class="row" onSubmit=${save}><label class="grow">API key <input ref=${field} type="password" autocomplete="off" defaultValue=${key} placeholder="none" /></label><button>Keep</button></form>
    <p class="dim">Only where the service asks for one. It stays in this tab and is gone when the tab is closed.</p>`;
}

// What is typed is the field's own (defaultValue): the page is drawn again in between, whenever the service's status comes.
function Field({ field, chosen }) {
  const { key, label, help, ...range } = field;
  const set = event => change({ [key]: event.target.value === '' || !event.target.validity.valid ? undefined : Number(event.target.value) });
  return html`<label>${label} <input type="number" ...${range} defaultValue=${chosen[key] ?? ''} placeholder="the model’s" aria-describedby=${`help-${key}`} onInput=${set} /><span class="dim" id=${`help-${key}`}>${help}</span></label>`;
}

function Tools({ chosen }) {
  const [fault, setFault] = useState(null);
  const check = event => {
    try {
      readTools(event.target.value);
      setFault(null);
    } catch (error) {
      setFault(error.message);
    }
  };
  return html`<label>Tools <textarea rows="5" class="mono" spellcheck="false" defaultValue=${chosen.tools ?? ''} aria-invalid=${Boolean(fault)} aria-describedby="tools-help"
    placeholder='[{"type": "function", "function": {"name": "get_weather", "parameters": {…}}}]' onInput=${event => change({ tools: event.target.value })} onChange=${check}></textarea>
    <span class="dim" id="tools-help">JSON, as the API takes them. What the model calls shows in the chat, where you write the result.</span></label>
    ${fault && html`<p class="error" role="alert">No JSON of tools: ${fault}</p>`}`;
}

export function SettingsView() {
  const chosen = useValue(settings);
  const look = useValue(theme);
  const clear = () => {
    if (confirm('Delete all chats of this browser?')) for (const chat of chats.chats.get()) chats.remove(chat.id);
  };
  return html`<section class="page settings" tabindex="0" aria-labelledby="settings-title"><h2 id="settings-title">Settings</h2>
    <fieldset><legend>Answers</legend>
      <label>System prompt <textarea rows="4" defaultValue=${chosen.system ?? ''} placeholder="none of your own" onInput=${event => change({ system: event.target.value })}></textarea></label>
      <div class="grid">${numbers.map(field => html`<${Field} key=${field.key} field=${field} chosen=${chosen} />`)}
        <label>Reasoning effort <select value=${chosen.reasoning_effort ?? ''} onChange=${event => change({ reasoning_effort: event.target.value })}>
          <option value="">the model’s</option>${['none', 'low', 'medium', 'high'].map(effort => html`<option value=${effort}>${effort}</option>`)}</select></label>
      </div>
      <label>Stop at <textarea rows="2" class="mono" defaultValue=${chosen.stop ?? ''} placeholder="a text a line" onInput=${event => change({ stop: event.target.value })}></textarea></label>
      <${Tools} chosen=${chosen} />
    </fieldset>
    <fieldset><legend>Service</legend><${Key} /></fieldset>
    <fieldset><legend>Page</legend>
      <div class="row" role="radiogroup" aria-label="Theme">${['auto', 'light', 'dark'].map(name => html`<label class="choice"><input type="radio" name="theme" checked=${look === name} onChange=${() => setTheme(name)} /> ${{ auto: 'as the system', light: 'light', dark: 'dark' }[name]}</label>`)}</div>
      <div class="row"><button type="button" class="danger" onClick=${clear}>Delete all chats</button></div>
      <p class="dim">Made with <a href="/page/vendor/licences.txt">Preact, htm and marked</a></p>
    </fieldset>
  </section>`;
}

/** Asks for the key as soon as the service does. */
export function KeyDialog() {
  const asks = useValue(needsKey);
  const field = useRef(null);
  if (!asks) return null;
  const show = element => element && !element.open && element.showModal();
  const save = event => {
    event.preventDefault();
    setKey(field.current.value.trim());
    refresh();
  };
  return html`<dialog ref=${show} aria-labelledby="key-title" onCancel=${event => event.preventDefault()}>
    <form onSubmit=${save}><h2 id="key-title">This service asks for a key</h2>
      <label>API key <input ref=${field} type="password" autocomplete="off" required autofocus /></label>
      <p class="dim">It is kept in this tab only.</p>
      <div class="row"><button class="primary">Go on</button></div></form>
  </dialog>`;
}
