// Markdown as elements. The text is a model's and is trusted with nothing: marked splits it into tokens, and each kind of token
// becomes an element here. HTML in it shows as the text that it is, links lead to web and mail addresses only, and pictures,
// which would tell their host what was written, are links.
import { lexer } from './vendor/marked.js';
import { copy, html, memo, useRef, useState } from './ui.js';

// Deeper quotations and lists are shown as they are written.
const deepest = 24;

const named = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', reg: '®', hellip: '…', mdash: '—', ndash: '–', rarr: '→', larr: '←', times: '×', middot: '·', deg: '°', euro: '€', lsquo: '‘', rsquo: '’', ldquo: '“', rdquo: '”', infin: '∞', ne: '≠', le: '≤', ge: '≥', plusmn: '±', sum: '∑', radic: '√' };

function decode(text) {
  return text.includes('&') ? text.replace(/&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([a-zA-Z]{2,8}));/g, (whole, decimal, hex, name) => {
    if (name) return Object.hasOwn(named, name) ? named[name] : whole;
    const code = decimal ? Number(decimal) : parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : '\ufffd';
  }) : text;
}

/** The address where it may be followed; null otherwise. */
export function safeAddress(address) {
  try {
    const url = new URL(decode(address));
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function inline(tokens, depth) {
  if (!tokens) return null;
  if (depth > deepest) return tokens.map(token => token.raw);
  return tokens.map(token => {
    switch (token.type) {
      case 'text': return token.tokens ? inline(token.tokens, depth + 1) : decode(token.text);
      case 'escape': return token.text;
      case 'strong': return html`<strong>${inline(token.tokens, depth + 1)}</strong>`;
      case 'em': return html`<em>${inline(token.tokens, depth + 1)}</em>`;
      case 'del': return html`<del>${inline(token.tokens, depth + 1)}</del>`;
      case 'codespan': return html`<code>${token.text}</code>`;
      case 'br': return html`<br />`;
      case 'link': {
        const address = safeAddress(token.href);
        return address
          ? html`<a href=${address} title=${address} target="_blank" rel="noopener noreferrer nofollow">${inline(token.tokens, depth + 1)}</a>`
          : token.raw;
      }
      case 'image': {
        const address = safeAddress(token.href);
        return address ? html`<a href=${address} title=${address} target="_blank" rel="noopener noreferrer nofollow">${token.text || 'picture'}</a>` : token.raw;
      }
      default: return token.raw;
    }
  });
}

function Code({ text, language }) {
  const [copied, setCopied] = useState(false);
  const onClick = async () => {
    setCopied(await copy(text));
    setTimeout(() => setCopied(false), 1500);
  };
  return html`<div class="code">
    <div class="code-head"><span>${language || 'text'}</span><button type="button" onClick=${onClick}>${copied ? 'Copied' : 'Copy'}</button></div>
    <pre tabindex="0" aria-label=${language ? `${language} code` : 'code'}><code>${text}</code></pre>
  </div>`;
}

function block(token, depth) {
  if (depth > deepest) return html`<p>${token.raw}</p>`;
  switch (token.type) {
    case 'space': case 'def': return null;
    case 'heading': {
      // The page has headings of its own above.
      const level = `h${Math.min(6, token.depth + 2)}`;
      return html`<${level}>${inline(token.tokens, depth)}</${level}>`;
    }
    case 'paragraph': return html`<p>${inline(token.tokens, depth)}</p>`;
    case 'text': return token.tokens ? inline(token.tokens, depth) : decode(token.text);
    case 'blockquote': return html`<blockquote>${token.tokens.map(inner => block(inner, depth + 1))}</blockquote>`;
    case 'code': return html`<${Code} text=${token.text} language=${(token.lang ?? '').split(/\s/)[0].slice(0, 40)} />`;
    case 'hr': return html`<hr />`;
    case 'list': {
      const items = token.items.map(item => html`<li>${item.task ? html`<input type="checkbox" checked=${item.checked} disabled aria-label=${item.checked ? 'done' : 'open'} /> ` : null}${item.tokens.filter(inner => inner.type !== 'checkbox').map(inner => block(inner, depth + 1))}</li>`);
      return token.ordered ? html`<ol start=${Number(token.start) || 1}>${items}</ol>` : html`<ul>${items}</ul>`;
    }
    case 'table': return html`<div class="table" tabindex="0" role="region" aria-label="table"><table>
      <thead><tr>${token.header.map((cell, column) => html`<th class=${token.align[column] ?? ''}>${inline(cell.tokens, depth)}</th>`)}</tr></thead>
      <tbody>${token.rows.map(row => html`<tr>${row.map((cell, column) => html`<td class=${token.align[column] ?? ''}>${inline(cell.tokens, depth)}</td>`)}</tr>`)}</tbody>
    </table></div>`;
    default: return html`<p>${token.raw}</p>`;
  }
}

const Block = memo(({ token }) => block(token, 0));

/** A text's tokens; of one that marked cannot split, the text. */
export function split(text) {
  try {
    return lexer(text);
  } catch {
    return [{ type: 'html', raw: text }];
  }
}

/** The tokens of a text that grows: those before the last are final, so only what follows them is split again. */
export class GrowingText {
  #text = '';
  #final = [];
  #length = 0;

  tokens(text) {
    if (!text.startsWith(this.#text)) {
      this.#final = [];
      this.#length = 0;
    }
    this.#text = text;
    const rest = split(text.slice(this.#length));
    let last = rest.length - 1;
    while (last > 0 && rest[last].type === 'space') last--;
    const done = rest.slice(0, last);
    if (last > 0 && this.#text.startsWith(done.map(token => token.raw).join(''), this.#length)) {
      this.#final = [...this.#final, ...done];
      this.#length += done.reduce((sum, token) => sum + token.raw.length, 0);
      return [...this.#final, ...rest.slice(last)];
    }
    return [...this.#final, ...rest];
  }
}

/** A text of markdown; while it grows, blocks that are complete are neither split nor drawn again. */
export function Markdown({ text: given, grows }) {
  const text = given.includes('\r') ? given.replace(/\r\n?/g, '\n') : given;
  const growing = useRef(null);
  const whole = useRef({ text: null, tokens: null });
  let tokens;
  if (grows) {
    growing.current ??= new GrowingText();
    tokens = growing.current.tokens(text);
  } else {
    // References to links that came later count now.
    growing.current = null;
    if (whole.current.text !== text) whole.current = { text, tokens: split(text) };
    tokens = whole.current.tokens;
  }
  return html`<div class="markdown">${tokens.map((token, index) => html`<${Block} key=${index} token=${token} />`)}</div>`;
}
