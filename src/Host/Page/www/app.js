// The page: its parts, and which of them shows.
import { render } from './vendor/preact.js';
import { ChatView } from './chat.js';
import * as chats from './chats.js';
import { LensDialog } from './lens.js';
import { LiveView } from './live.js';
import { ModelsView } from './models.js';
import { change, setTheme, settings, theme } from './settings.js';
import { KeyDialog, SettingsView } from './settings-view.js';
import { status, useStatus } from './status.js';
import { announcement, html, Icon, IconButton, notice, useEffect, useRef, useState, useValue } from './ui.js';

const views = [['chat', 'Chat'], ['models', 'Models'], ['live', 'Live'], ['settings', 'Settings']];

function useHash() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const follow = () => setHash(location.hash);
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  const [view, id] = hash.slice(1).split('/');
  return { view: views.some(([name]) => name === view) ? view : 'chat', id };
}

// Loads models that can chat, or may turn out to; a preset is a name of its own.
function chatModels(now) {
  const models = (now?.models ?? []).filter(model => model.kind !== 'embedding' && model.chat !== false && model.status !== 'failed').map(model => model.id);
  return [...models, ...(now?.presets ?? []).filter(preset => models.includes(preset.model)).map(preset => preset.id)];
}

function ModelChoice({ models, model }) {
  if (models.length === 0) return html`<span class="dim model-choice">no model</span>`;
  return html`<select class="model-choice" aria-label="Model" value=${model} onChange=${event => change({ model: event.target.value })}>${models.map(id => html`<option value=${id}>${id}</option>`)}</select>`;
}

function ThemeButton() {
  const now = useValue(theme);
  const next = { auto: 'light', light: 'dark', dark: 'auto' }[now];
  return html`<${IconButton} icon=${{ auto: 'auto', light: 'sun', dark: 'moon' }[now]} label=${`Theme: ${now}. Change to ${next}`} onClick=${() => setTheme(next)} />`;
}

function Sidebar({ current, isOpen, onClose }) {
  const all = useValue(chats.chats);
  const remove = chat => {
    if (!confirm(`Delete “${chat.title || 'Untitled'}”?`)) return;
    chats.remove(chat.id);
    if (chat.id === current) location.hash = '#chat';
  };
  return html`<nav class=${`sidebar${isOpen ? ' open' : ''}`} id="chats" aria-label="Chats">
    <a class="new" href=${`#chat/new-${all.length}-${all[0]?.id ?? ''}`} onClick=${onClose}><${Icon} name="plus" /> New chat</a>
    <ul>${[...all].sort((a, b) => b.used - a.used).map(chat => html`<li key=${chat.id} class=${chat.id === current ? 'current' : ''}>
      <a href=${`#chat/${chat.id}`} aria-current=${chat.id === current ? 'page' : null} onClick=${onClose}>${chat.title || 'Untitled'}</a>
      <${IconButton} icon="trash" label=${`Delete ${chat.title || 'Untitled'}`} onClick=${() => remove(chat)} /></li>`)}</ul>
  </nav>`;
}

function Notice() {
  const now = useValue(notice);
  return now && html`<div class=${`notice${now.isError ? ' bad' : ''}`} role=${now.isError ? 'alert' : 'status'}><span>${now.text}</span><${IconButton} icon="close" label="Close" onClick=${() => notice.set(null)} /></div>`;
}

function Chat({ id, model }) {
  useValue(chats.chats);
  const fresh = useRef(null);
  const found = chats.find(id);
  // A chat that nothing was said in yet is in no list.
  if (!found && (!fresh.current || chats.find(fresh.current.id) || fresh.current.for !== id)) fresh.current = { ...chats.create(), for: id };
  const { for: _, ...empty } = fresh.current ?? {};
  return html`<${ChatView} chat=${found ?? empty} model=${model} />`;
}

function App() {
  const { view, id } = useHash();
  const [isOpen, setOpen] = useState(false);
  useStatus(4000);
  const now = useValue(status);
  const chosen = useValue(settings).model;
  const models = chatModels(now);
  const model = models.includes(chosen) ? chosen : models.includes(now?.default) ? now.default : models[0] ?? '';
  useEffect(() => {
    document.title = view === 'chat' ? 'Hearth' : `${views.find(([name]) => name === view)[1]} – Hearth`;
  }, [view]);
  const toMain = event => {
    event.preventDefault();
    document.getElementById('main').focus();
  };
  return html`
    <a class="skip" href="#main" onClick=${toMain}>To the content</a>
    <header class="top">
      ${view === 'chat' && html`<button type="button" class="icon-button only-narrow" aria-label="Chats" title="Chats" aria-expanded=${isOpen} aria-controls="chats" onClick=${() => setOpen(!isOpen)}><${Icon} name="menu" /></button>`}
      <h1><img src="/page/icon.svg" alt="" width="24" height="24" /><span>Hearth</span></h1>
      <nav aria-label="Views"><ul>${views.map(([name, title]) => html`<li><a href=${`#${name}`} aria-current=${name === view ? 'page' : null}>${title}</a></li>`)}</ul></nav>
      <span class="grow"></span>
      ${view === 'chat' && html`<${ModelChoice} models=${models} model=${model} />`}
      <${ThemeButton} />
    </header>
    <${Notice} />
    <div class="body">
      ${view === 'chat' && html`<${Sidebar} current=${id} isOpen=${isOpen} onClose=${() => setOpen(false)} />${isOpen && html`<div class="veil" onClick=${() => setOpen(false)}></div>`}`}
      <main id="main" tabindex="-1">
        ${view === 'chat' && now?.error && html`<p class="error strip" role="alert">${now.error}</p>`}
        ${view === 'chat' ? html`<${Chat} id=${id} model=${model} />` : view === 'models' ? html`<${ModelsView} />` : view === 'live' ? html`<${LiveView} />` : html`<${SettingsView} />`}
      </main>
    </div>
    <${LensDialog} /><${KeyDialog} /><${Announcer} />`;
}

function Announcer() {
  return html`<div class="unseen" role="status">${useValue(announcement)}</div>`;
}

await chats.loadChats();
render(html`<${App} />`, document.getElementById('app'));
