// What every component needs: elements, hooks, and values that components follow.
import { Component, h } from './vendor/preact.js';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/preact-hooks.js';
import htm from './vendor/htm.js';

export { useEffect, useLayoutEffect, useMemo, useRef, useState };
export const html = htm.bind(h);

/** A component that is drawn again only when a property is another one. */
export function memo(draw) {
  return class extends Component {
    shouldComponentUpdate(next) {
      const now = this.props;
      const names = Object.keys(next);
      return names.length !== Object.keys(now).length || names.some(name => next[name] !== now[name]);
    }

    render(props) {
      return draw(props);
    }
  };
}

/** A value with followers. */
export function value(initial) {
  const followers = new Set();
  let current = initial;
  return {
    get: () => current,
    set(next) {
      current = next;
      for (const follower of [...followers]) follower(next);
    },
    follow(follower) {
      followers.add(follower);
      return () => followers.delete(follower);
    },
  };
}

/** The value, and a new drawing whenever it changes. */
export function useValue(source) {
  const [, redraw] = useState(0);
  useEffect(() => source.follow(() => redraw(count => count + 1)), [source]);
  return source.get();
}

/** What a screen reader is told. */
export const announcement = value('');

/** A note that shows until it is closed or another takes its place. */
export const notice = value(null);

export function tell(text, isError = false) {
  notice.set({ text, isError });
}

export function Icon({ name }) {
  const paths = {
    send: 'M12 20V5M5 11l7-7 7 7', stop: 'M7 7h10v10H7z', copy: 'M9 9h11v11H9zM5 15H4V4h11v1', edit: 'M4 20h4L19 9l-4-4L4 16z', redo: 'M4 12a8 8 0 1 0 3-6M4 4v5h5',
    fork: 'M7 4v6a4 4 0 0 0 4 4h6M7 10v10M14 11l3 3-3 3', eye: 'M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6', trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
    plus: 'M12 5v14M5 12h14', menu: 'M4 7h16M4 12h16M4 17h16', left: 'M14 6l-6 6 6 6', right: 'M10 6l6 6-6 6', close: 'M6 6l12 12M18 6L6 18', down: 'M12 5v14M5 13l7 7 7-7',
    sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1 1M18 18l1 1M19 5l-1 1M6 18l-1 1', moon: 'M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z', auto: 'M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18',
  };
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${paths[name]} /></svg>`;
}

/** A button that is a picture, with its name for those who do not see it. */
export function IconButton({ icon, label, ...rest }) {
  return html`<button type="button" class="icon-button" aria-label=${label} title=${label} ...${rest}><${Icon} name=${icon} /></button>`;
}

/** 12345678 as "11.8 MiB". */
export function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  for (; count >= 1024 && unit < units.length - 1; unit++) count /= 1024;
  return `${unit === 0 || count >= 100 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

export const number = count => Math.round(count).toLocaleString('en');

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    announcement.set('Copied');
    return true;
  } catch {
    tell('The browser does not let this page copy; select the text and copy it by hand.', true);
    return false;
  }
}
