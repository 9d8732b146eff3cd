// The chat: its messages, what can be done with each, and the field below them.
import { answer, stop, writing } from './answers.js';
import * as chats from './chats.js';
import { openLens } from './lens.js';
import { Markdown } from './markdown.js';
import { copy, html, Icon, IconButton, memo, number, useEffect, useLayoutEffect, useRef, useState, useValue } from './ui.js';

const names = { user: 'You', assistant: 'Answer', tool: 'Tool', system: 'System' };

function Branches({ chat, node }) {
  const all = chats.siblings(chat, node);
  if (all.length < 2) return null;
  const at = all.indexOf(node.id);
  const go = to => chats.put(chats.choose(chats.find(chat.id), node, all[to]));
  return html`<span class="branches" role="group" aria-label="Branches">
    <${IconButton} icon="left" label="Branch before" disabled=${at === 0} onClick=${() => go(at - 1)} />
    <span>${at + 1} / ${all.length}</span>
    <${IconButton} icon="right" label="Branch after" disabled=${at === all.length - 1} onClick=${() => go(at + 1)} />
  </span>`;
}

function Editor({ text, onSave, onCancel }) {
  const field = useRef(null);
  useEffect(() => {
    field.current.focus();
    field.current.setSelectionRange(text.length, text.length);
  }, []);
  const save = () => field.current.value.trim() && onSave(field.current.value);
  const onKeyDown = event => {
    if (event.key === 'Escape') onCancel();
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      save();
    }
  };
  return html`<div class="editor">
    <textarea ref=${field} aria-label="Edit the message" rows=${Math.min(12, text.split('\n').length + 1)} onKeyDown=${onKeyDown} defaultValue=${text}></textarea>
    <div class="row"><button type="button" class="primary" onClick=${save}>Send</button><button type="button" onClick=${onCancel}>Cancel</button>
      <span class="dim">The old one stays, as a branch.</span></div>
  </div>`;
}

function Reasoning({ text, isOpen, grows }) {
  return html`<details class="reasoning" open=${isOpen}>
    <summary>${grows ? 'Thinking …' : 'Thoughts'} <span class="dim">${number(text.length)} characters</span></summary>
    <${Markdown} text=${text} grows=${grows} />
  </details>`;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function Call({ call, chat, node, canAnswer }) {
  const field = useRef(null);
  const send = event => {
    event.preventDefault();
    const now = chats.find(chat.id);
    // Several calls of an answer get their results one behind the other; the model goes on after the last.
    const behind = chats.path(now).slice(chats.path(now).findIndex(other => other.id === node.id));
    const [next, result] = chats.add(now, behind[behind.length - 1].id, { role: 'tool', callId: call.id, name: call.name, content: field.current.value });
    chats.put(next);
    const given = new Set([...behind, result].filter(other => other.role === 'tool').map(other => other.callId));
    if (node.calls.every(other => given.has(other.id))) answer(chat.id, result.id, node.model);
  };
  return html`<div class="call">
    <div class="call-name"><span class="dim">calls</span> <code>${call.name || '…'}</code></div>
    <pre tabindex="0" aria-label="arguments"><code>${pretty(call.arguments)}</code></pre>
    ${canAnswer && html`<form onSubmit=${send}><label>Its result <textarea ref=${field} rows="2" required placeholder="What the function returned"></textarea></label><button>Hand over</button></form>`}
  </div>`;
}

function Stats({ node }) {
  const { tokens, rate, first, prompt, cached } = node.stats ?? {};
  const parts = [];
  if (tokens) parts.push(`${number(tokens)} tokens`);
  if (rate) parts.push(`${rate.toFixed(rate < 10 ? 1 : 0)} a second`);
  if (first) parts.push(`first after ${first < 1 ? `${Math.round(first * 1000)} ms` : `${first.toFixed(1)} s`}`);
  if (prompt !== undefined) parts.push(`prompt ${number(prompt)}${cached ? `, ${number(cached)} cached` : ''}`);
  if (node.finish === 'length') parts.push('cut by the limit');
  if (node.state === 'stopped') parts.push('stopped');
  return html`<span class="stats">${parts.join(' · ')}</span>`;
}

function Message({ chat, node, isLast, isBusy, open }) {
  const [editing, setEditing] = useState(false);
  const grows = node.state === 'writing';
  const isUser = node.role === 'user';
  const answered = new Set(node.calls?.length ? chats.path(chat).filter(other => other.role === 'tool').map(other => other.callId) : []);
  const edit = text => {
    setEditing(false);
    const [next, added] = chats.add(chats.find(chat.id), node.parent, { role: 'user', content: text });
    chats.put(next);
    answer(chat.id, added.id, open.model);
  };
  const fork = () => {
    const copied = chats.fork(chats.find(chat.id), node.id);
    chats.put(copied);
    location.hash = `#chat/${copied.id}`;
  };
  return html`<article class=${`message ${node.role}`} aria-label=${names[node.role]}>
    <header><span class="who">${node.role === 'assistant' ? node.model || 'Answer' : node.role === 'tool' ? `Result of ${node.name}` : names[node.role]}</span></header>
    ${node.reasoning && html`<${Reasoning} text=${node.reasoning} grows=${grows && !node.content} isOpen=${grows && !node.content} />`}
    ${editing ? html`<${Editor} text=${node.content} onSave=${edit} onCancel=${() => setEditing(false)} />`
      : isUser || node.role === 'tool' ? html`<div class="said">${node.content}</div>`
        : node.content ? html`<${Markdown} text=${node.content} grows=${grows} />`
          : grows && !node.reasoning && !node.calls?.length ? html`<p class="waiting"><span></span><span></span><span></span></p>` : null}
    ${node.calls?.map((call, index) => html`<${Call} key=${index} call=${call} chat=${chat} node=${node} canAnswer=${!grows && !isBusy && !answered.has(call.id)} />`)}
    ${node.error && html`<p class="error" role="alert">${node.error}</p>`}
    ${node.warnings?.map(text => html`<p class="warning">${text}</p>`)}
    <footer>
      ${node.role === 'assistant' && html`<${Stats} node=${node} />`}
      <${Branches} chat=${chat} node=${node} />
      ${!grows && html`<span class="actions" role="group" aria-label="Message">
        ${node.content && html`<${IconButton} icon="copy" label="Copy" onClick=${() => copy(node.content)} />`}
        ${isUser && html`<${IconButton} icon="edit" label="Edit" disabled=${isBusy} onClick=${() => setEditing(true)} />`}
        ${node.role === 'assistant' && html`<${IconButton} icon="redo" label="Answer again" disabled=${isBusy} onClick=${() => answer(chat.id, node.parent, open.model)} />`}
        <${IconButton} icon="fork" label="Fork the chat here" onClick=${fork} />
        ${node.role === 'assistant' && node.content && !node.calls?.length && html`<${IconButton} icon="eye" label="What the answer looked at" onClick=${() => openLens(chat.id, node.id, node.model || open.model)} />`}
      </span>`}
    </footer>
  </article>`;
}

// A message is drawn again when it changes, or its branches do; not whenever another one grows.
const KeptMessage = memo(({ node, chatId, siblings: _, answeredCalls: __, ...rest }) => html`<${Message} chat=${chats.find(chatId)} node=${node} ...${rest} />`);

function Composer({ chat, model, isBusy, onSend, onEditLast }) {
  const field = useRef(null);
  const fit = () => {
    field.current.style.height = 'auto';
    field.current.style.height = `${Math.min(field.current.scrollHeight + 2, 240)}px`;
  };
  useEffect(() => {
    if (matchMedia('(pointer: fine)').matches) field.current.focus();
  }, [chat.id]);
  const send = event => {
    event?.preventDefault();
    const text = field.current.value;
    if (isBusy || !text.trim()) return;
    field.current.value = '';
    fit();
    onSend(text);
  };
  const onKeyDown = event => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    } else if (event.key === 'ArrowUp' && field.current.value === '') {
      event.preventDefault();
      onEditLast();
    }
  };
  return html`<form class="composer" onSubmit=${send}>
    <textarea ref=${field} rows="1" aria-label="Message" placeholder=${`Message ${model || 'the model'}`} onInput=${fit} onKeyDown=${onKeyDown}></textarea>
    ${isBusy
      ? html`<button type="button" class="primary round" aria-label="Stop" title="Stop (Escape)" onClick=${() => stop(chat.id)}><${Icon} name="stop" /></button>`
      : html`<button class="primary round" aria-label="Send" title="Send (Enter)"><${Icon} name="send" /></button>`}
    <p class="hint dim">Enter sends, Shift+Enter begins a line, Escape stops, ↑ edits your last message</p>
  </form>`;
}

function Welcome({ model, onSend }) {
  const examples = ['Hello! Who are you?', 'Write a list of three animals.', 'What is the capital of France?'];
  return html`<div class="welcome"><h2>What shall we talk about?</h2>
    <p class="dim">${model ? `${model} answers.` : 'No model is ready yet.'} What you write stays in this browser and goes to this service only.</p>
    <div class="examples">${examples.map(text => html`<button type="button" onClick=${() => onSend(text)}>${text}</button>`)}</div></div>`;
}

/** A chat's view; `chat` may be one that nothing was said in yet. */
export function ChatView({ chat, model }) {
  const busy = useValue(writing).get(chat.id);
  const scroller = useRef(null);
  const follows = useRef(true);
  const [isAway, setAway] = useState(false);
  const nodes = chats.path(chat);
  const isBusy = Boolean(busy);
  const open = useRef({ model });
  open.current.model = model;

  const toEnd = () => {
    scroller.current.scrollTop = scroller.current.scrollHeight;
  };
  const onScroll = () => {
    const { scrollHeight, scrollTop, clientHeight } = scroller.current;
    follows.current = scrollHeight - scrollTop - clientHeight < 40;
    setAway(!follows.current);
  };
  useLayoutEffect(() => {
    if (follows.current) toEnd();
  });
  useLayoutEffect(() => {
    follows.current = true;
    toEnd();
    // Messages out of sight have their true heights only once they were near it.
    const again = requestAnimationFrame(toEnd);
    return () => cancelAnimationFrame(again);
  }, [chat.id]);
  useEffect(() => {
    const onKeyDown = event => {
      if (event.key === 'Escape' && !event.defaultPrevented && !document.querySelector('dialog[open]')) stop(chat.id);
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, [chat.id]);

  const send = text => {
    const now = chats.find(chat.id) ?? chat;
    const shown = chats.path(now);
    const [next, node] = chats.add(now, shown.length > 0 ? shown[shown.length - 1].id : null, { role: 'user', content: text });
    chats.put(next);
    follows.current = true;
    location.hash = `#chat/${next.id}`;
    answer(next.id, node.id, model);
  };
  const editLast = () => {
    const all = scroller.current.querySelectorAll('.message.user [aria-label="Edit"]');
    all[all.length - 1]?.click();
  };
  return html`<section class="chat" aria-labelledby="chat-title"><h2 class="unseen" id="chat-title">${chat.title || 'New chat'}</h2>
    <div class="scroller" ref=${scroller} onScroll=${onScroll} tabindex="0" role="region" aria-label="Messages">
      <div class="messages">
        ${nodes.length === 0 ? html`<${Welcome} model=${model} onSend=${send} />`
          : nodes.map(node => html`<${KeptMessage} key=${node.id} chatId=${chat.id} node=${node} isBusy=${isBusy} open=${open.current}
              siblings=${chats.siblings(chat, node)} answeredCalls=${node.calls?.length ? nodes.filter(other => other.role === 'tool').length : 0} />`)}
      </div>
    </div>
    ${isAway && html`<button type="button" class="to-end" aria-label="To the end" title="To the end" onClick=${() => { follows.current = true; toEnd(); }}><${Icon} name="down" /></button>`}
    <${Composer} chat=${chat} model=${model} isBusy=${isBusy} onSend=${send} onEditLast=${editLast} />
  </section>`;
}
