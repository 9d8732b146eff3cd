// Chats: trees of messages, kept in this browser. Editing and regenerating add branches; nothing is overwritten.
import { tell, value } from './ui.js';

let database = null;

function request(made) {
  return new Promise((resolve, reject) => {
    made.onsuccess = () => resolve(made.result);
    made.onerror = () => reject(made.error);
  });
}

async function store(mode) {
  if (!database) {
    const opening = indexedDB.open('hearth', 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('chats', { keyPath: 'id' });
    database = await request(opening);
  }
  return database.transaction('chats', mode).objectStore('chats');
}

let told = false;
async function kept(work) {
  try {
    return await work();
  } catch {
    if (!told) tell('The browser keeps no chats for this page: they last until it is closed.', true);
    told = true;
    return undefined;
  }
}

/** All chats, the last used first. */
export const chats = value([]);

export const newId = () => crypto.getRandomValues(new Uint32Array(3)).reduce((text, part) => text + part.toString(36), '');

export async function loadChats() {
  const found = await kept(async () => request((await store('readonly')).getAll()));
  const whole = (found ?? []).filter(chat => chat && typeof chat.id === 'string' && chat.nodes && Array.isArray(chat.roots));
  // What was being written when the page was closed is as it was left.
  for (const chat of whole) for (const node of Object.values(chat.nodes)) if (node.state === 'writing') node.state = 'stopped';
  chats.set(whole.sort((a, b) => b.used - a.used));
}

export function save(chat) {
  return kept(async () => request((await store('readwrite')).put(chat)));
}

export function create() {
  return { id: newId(), title: '', used: Date.now(), nodes: {}, roots: [], chosen: {} };
}

/** Puts a changed chat in the place of the old one, or at the top where there was none. */
export function put(chat, { keep = true } = {}) {
  const others = chats.get();
  const at = others.findIndex(other => other.id === chat.id);
  chats.set(at < 0 ? [chat, ...others] : others.map((other, index) => (index === at ? chat : other)));
  if (keep) save(chat);
}

export function remove(id) {
  chats.set(chats.get().filter(chat => chat.id !== id));
  return kept(async () => request((await store('readwrite')).delete(id)));
}

export const find = id => chats.get().find(chat => chat.id === id);

export const siblings = (chat, node) => (node.parent ? chat.nodes[node.parent].children : chat.roots);

/** The branch that shows: from the first message down through those that were chosen. */
export function path(chat) {
  const nodes = [];
  for (let children = chat.roots, parent = ''; children.length > 0;) {
    const id = children.includes(chat.chosen[parent]) ? chat.chosen[parent] : children[children.length - 1];
    nodes.push(chat.nodes[id]);
    children = chat.nodes[id].children;
    parent = id;
  }
  return nodes;
}

/** The messages up to one, it among them. */
export function upTo(chat, id) {
  const nodes = [];
  for (let node = chat.nodes[id]; node; node = chat.nodes[node.parent]) nodes.unshift(node);
  return nodes;
}

/** The chat with another message behind one (null: at the beginning), chosen. */
export function add(chat, parent, message) {
  const node = { id: newId(), parent, children: [], content: '', state: 'done', ...message };
  const nodes = { ...chat.nodes, [node.id]: node };
  if (parent) nodes[parent] = { ...nodes[parent], children: [...nodes[parent].children, node.id] };
  const title = chat.title || (message.role === 'user' ? message.content.trim().split('\n')[0].slice(0, 80) : '');
  return [{ ...chat, title, used: Date.now(), nodes, roots: parent ? chat.roots : [...chat.roots, node.id], chosen: { ...chat.chosen, [parent ?? '']: node.id } }, node];
}

export function change(chat, id, changes) {
  return { ...chat, nodes: { ...chat.nodes, [id]: { ...chat.nodes[id], ...changes } } };
}

export function choose(chat, node, id) {
  return { ...chat, chosen: { ...chat.chosen, [node.parent ?? '']: id } };
}

/** Another chat with the messages up to one. */
export function fork(chat, id) {
  let copy = { ...create(), title: chat.title ? `${chat.title} (fork)` : '' };
  let parent = null;
  for (const { id: _, parent: __, children: ___, ...message } of upTo(chat, id)) {
    let node;
    [copy, node] = add(copy, parent, message);
    parent = node.id;
  }
  return copy;
}

/** A message as the API takes it. */
export function toWire(node) {
  if (node.role === 'tool') return { role: 'tool', tool_call_id: node.callId, content: node.content };
  if (node.role !== 'assistant') return { role: node.role, content: node.content };
  return {
    role: 'assistant',
    content: node.content || (node.calls?.length ? null : ''),
    ...(node.reasoning ? { reasoning_content: node.reasoning } : {}),
    ...(node.calls?.length ? { tool_calls: node.calls.map(call => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } })) } : {}),
  };
}
