// Signs in a page that its content is made by scripts: little text beside them, an application's empty root, a word to
// visitors without JavaScript.
import { type AnyNode, type Document, type Element, isTag, isText } from 'domhandler';

export type ScriptSigns = {
  /** Scripts that a browser would run. */
  readonly scripts: number;
  /** Characters of text that a visitor sees, white space aside. */
  readonly textLength: number;
  /** An element that frameworks fill by script holds next to nothing. */
  readonly hasEmptyRoot: boolean;
  /** <noscript> speaks of JavaScript or sends its visitors elsewhere. */
  readonly asksForScripts: boolean;
};

/** The ids of the elements that frameworks fill: React, Vue, Next, Nuxt, Gatsby, Angular's and others' examples. */
const ROOT_IDS = new Set([
  ...['root', 'app', '__next', '__nuxt', '__layout', '___gatsby', 'main-app', 'svelte', 'ember-app'],
]);
const ROOT_TAGS = new Set(['app-root', 'app-shell']);
/** More than this is not only "Loading …". */
const MAX_PLACEHOLDER = 30;
const UNSEEN = new Set(['script', 'style', 'noscript', 'template', 'title', 'svg', 'iframe', 'noframes']);
const JAVASCRIPT_TYPE = /^(|module|(text|application)\/(x-)?(java|ecma)script)$/i;
/** Of a <noscript>; who needs more words does not ask for JavaScript. */
const MAX_NOSCRIPT = 2_000;

/** Time is linear in the size of the document. */
export function scriptSignsOf(document: Document): ScriptSigns {
  let scripts = 0;
  let textLength = 0;
  let hasEmptyRoot = false;
  let asksForScripts = false;
  /** The outermost root that is open, and how much text there was before it. */
  let root: { readonly element: Element; readonly textBefore: number } | undefined;

  // Without recursion: pages nest deep. An element is on the list twice: to be opened, and to be closed.
  const pending: (AnyNode | { readonly end: Element })[] = [...document.children].reverse();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if ('end' in next) {
      if (root?.element !== next.end) continue;
      hasEmptyRoot ||= textLength - root.textBefore <= MAX_PLACEHOLDER;
      root = undefined;
      continue;
    }
    if (isText(next)) textLength += next.data.replace(/\s+/g, '').length;
    if (!isTag(next)) continue;
    const { name, attribs } = next;
    if (name === 'script' && JAVASCRIPT_TYPE.test(attribs['type']?.trim() ?? '')) scripts++;
    if (name === 'noscript') asksForScripts ||= speaksOfScripts(next);
    if (UNSEEN.has(name)) continue;
    if (root === undefined && (ROOT_TAGS.has(name) || ROOT_IDS.has(attribs['id'] ?? ''))) {
      root = { element: next, textBefore: textLength };
      pending.push({ end: next });
    }
    for (let index = next.children.length - 1; index >= 0; index--) pending.push(next.children[index] as AnyNode);
  }
  return { scripts, textLength, hasEmptyRoot, asksForScripts };
}

/** What a <noscript> holds is one text to browsers that run scripts. */
function speaksOfScripts(noscript: Element): boolean {
  const html = textOf(noscript).slice(0, MAX_NOSCRIPT);
  return /java\s*script/i.test(html.replaceAll(/<[^>]*>/g, ' ')) || /<meta\b[^>]*http-equiv=["']?refresh\b/i.test(html);
}

function textOf(element: Element): string {
  return element.children.map((child) => (isText(child) ? child.data : '')).join('');
}
