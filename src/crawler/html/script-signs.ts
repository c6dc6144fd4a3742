// Signs in a page's HTML that its content is made by scripts: little text beside them, an application's empty root,
// a word to visitors without JavaScript. One pass over the tokens, no tree.
import { Parser } from 'htmlparser2';

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
  'root',
  'app',
  '__next',
  '__nuxt',
  '__layout',
  '___gatsby',
  'main-app',
  'svelte',
  'ember-app',
]);
const ROOT_TAGS = new Set(['app-root', 'app-shell']);
/** More than this is not only "Loading …". */
const MAX_PLACEHOLDER = 30;
const UNSEEN = new Set(['script', 'style', 'noscript', 'template', 'title', 'svg', 'iframe', 'noframes']);
const JAVASCRIPT_TYPE = /^(|module|(text|application)\/(x-)?(java|ecma)script)$/i;
/** Of a <noscript>; who needs more words does not ask for JavaScript. */
const MAX_NOSCRIPT = 2_000;

/** Never throws, whatever the text is; time is linear in its length. */
export function scriptSignsOf(html: string): ScriptSigns {
  let scripts = 0;
  let textLength = 0;
  let hasEmptyRoot = false;
  let asksForScripts = false;
  let depth = 0;
  let noscript: string | undefined;
  /** Depth of the outermost element whose text nobody sees. */
  let unseenAt: number | undefined;
  /** The outermost root that is open: where, and how much text there was before it. */
  let root: { readonly depth: number; readonly textBefore: number } | undefined;

  const parser = new Parser({
    onopentag(name, { id, type, content, 'http-equiv': equivalent }) {
      depth++;
      if (name === 'script' && JAVASCRIPT_TYPE.test(type?.trim() ?? '')) scripts++;
      if (noscript !== undefined && name === 'meta' && equivalent?.toLowerCase() === 'refresh' && content) {
        asksForScripts = true;
      }
      if (unseenAt === undefined && UNSEEN.has(name)) {
        unseenAt = depth;
        if (name === 'noscript') noscript = '';
      }
      if (root === undefined && (ROOT_TAGS.has(name) || (id !== undefined && ROOT_IDS.has(id)))) {
        root = { depth, textBefore: textLength };
      }
    },
    ontext(text) {
      if (noscript !== undefined && noscript.length < MAX_NOSCRIPT) noscript += text;
      if (unseenAt === undefined) textLength += text.replace(/\s+/g, '').length;
    },
    onclosetag() {
      if (unseenAt === depth) {
        asksForScripts ||= noscript !== undefined && /java\s*script/i.test(noscript);
        unseenAt = undefined;
        noscript = undefined;
      }
      if (root?.depth === depth) {
        hasEmptyRoot ||= textLength - root.textBefore <= MAX_PLACEHOLDER;
        root = undefined;
      }
      depth--;
    },
  });
  parser.end(html);
  return { scripts, textLength, hasEmptyRoot, asksForScripts };
}
