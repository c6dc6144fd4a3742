// What runs in each document before its own scripts: it keeps them from what a crawl cannot follow, and counts timers.

/** The name under which a page's timers are told; it cannot be changed or removed by the page. */
const TIMERS = '__pendingTimers';
/** A longer timer is for later than anybody waits. */
const LONGEST_TIMER_MS = 2_000;
/** Timers that are set by timers again and again are a clock and no loading. */
const MAX_TIMERS = 5;

/**
 * Service workers would fetch pages by themselves, past what watches over this one. A tab that a script closes would be
 * taken for one that crashed. Behind what a page has pushed itself, the history holds pages that were visited before, to which
 * it never came from. Nothing tells which timers a page waits for, so setTimeout keeps a list of those that were
 * set outside of other timers, or only a few of them deep.
 */
export const PAGE_HOOKS = `(() => {
  if (globalThis.ServiceWorkerContainer !== undefined) {
    ServiceWorkerContainer.prototype.register = () => Promise.reject(new DOMException('not here', 'NotSupportedError'));
  }
  globalThis.close = () => {};
  const entries = History.prototype;
  const { go, pushState } = entries;
  let pushed = 0;
  entries.pushState = function (...values) {
    apply(pushState, this, values);
    pushed++;
  };
  entries.go = function (steps = 0) {
    const back = -(Math.trunc(Number(steps)) || 0);
    if (back > pushed) return;
    pushed -= back;
    apply(go, this, [steps]);
  };
  entries.back = function () { this.go(-1); };
  const due = new Map();
  const { setTimeout: set, clearTimeout: clear, Map: { prototype: map }, Reflect: { apply }, performance: clock } = globalThis;
  const { set: put, delete: remove, forEach } = map;
  const now = clock.now.bind(clock);
  let depth = 0;
  globalThis.setTimeout = function setTimeout(handler, delay = 0, ...values) {
    const wait = Number(delay) || 0;
    if (typeof handler !== 'function' || wait > ${LONGEST_TIMER_MS} || depth >= ${MAX_TIMERS}) return apply(set, this ?? globalThis, [handler, delay, ...values]);
    const level = depth + 1;
    const id = apply(set, this ?? globalThis, [function () {
      apply(remove, due, [id]);
      const before = depth;
      depth = level;
      try {
        return apply(handler, this, arguments);
      } finally {
        depth = before;
      }
    }, delay, ...values]);
    apply(put, due, [id, now() + wait]);
    return id;
  };
  globalThis.clearTimeout = function clearTimeout(id) {
    apply(remove, due, [id]);
    return apply(clear, this ?? globalThis, [id]);
  };
  Object.defineProperty(globalThis, '${TIMERS}', {
    value: () => {
      let last = 0;
      apply(forEach, due, [(time) => { if (time > last) last = time; }]);
      return last === 0 ? 0 : last - now();
    },
  });
})()`;

/** An expression: in how many milliseconds the last timer that a page waits for is due; 0 without one. */
export const TIMERS_DUE = `typeof ${TIMERS} === 'function' ? ${TIMERS}() : 0`;
