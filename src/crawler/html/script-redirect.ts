// Recognises pages that only hold a script which sends their visitor on. It goes by their text: without a browser no script runs.
// A page that was taken for one by mistake would be lost, so only a script that does nothing else counts.

/** Longer pages show something. */
const MAX_LENGTH = 8_192;
/** A visitor who waits longer is shown something. */
const LONGEST_WAIT_MS = 1_000;

const STRING = String.raw`"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'`;
const LOCATION = String.raw`(?:(?:window|self|top|parent|document|globalThis)\s*\.\s*){0,3}location`;
/** `location = '…'` and its forms. */
const GOES = new RegExp(
  String.raw`^${LOCATION}\s*(?:(?:\.\s*href\s*)?=\s*(${STRING})|\.\s*(?:replace|assign)\s*\(\s*(${STRING})\s*\))$`,
);
const LATER = new RegExp(
  String.raw`^(?:window\s*\.\s*)?setTimeout\s*\(\s*(?:(?:function\s*\(\s*\)|\(\s*\)\s*=>)\s*\{([^{}]*)\}|\(\s*\)\s*=>([^{}]*)|(${STRING}))\s*,\s*(\d+)\s*\)$`,
);
const ON_LOAD = /^(?:window\s*\.\s*)?onload\s*=\s*(?:function\s*\w*\s*\(\s*\)|\(\s*\)\s*=>)\s*\{([^{}]*)\}$/;

/**
 * The reference that the only script of a short page assigns to `location`; undefined when that is not certain.
 * @param html the document as text
 */
export function scriptRedirect(html: string): string | undefined {
  if (html.length > MAX_LENGTH || !html.includes('location')) return undefined;
  const begun = html.match(/<script\b/gi)?.length ?? 0;
  const [, attributes = '', code] = /<script\b([^>]*)>([\s\S]*?)<\/script\s*>/i.exec(html) ?? [];
  const onLoad = /<body\b[^>]*\sonload\s*=\s*(?:"([^"<>]*)"|'([^'<>]*)')/i.exec(html);
  if (begun + (onLoad === null ? 0 : 1) !== 1 || !isClassic(attributes)) return undefined;
  return targetOf(onLoad === null ? (code ?? '') : unescaped(onLoad[1] ?? onLoad[2] ?? ''));
}

/** Whether the script is the page's own, and run as one. */
function isClassic(attributes: string): boolean {
  if (/\bsrc\s*=/i.test(attributes)) return false;
  const type = /\btype\s*=\s*["']?([^\s"'>]*)/i.exec(attributes)?.[1] ?? '';
  return /^(|module|(text|application)\/(x-)?(java|ecma)script)$/i.test(type);
}

function targetOf(script: string, depth = 0): string | undefined {
  const code = statement(script);
  const goes = GOES.exec(code);
  if (goes !== null) return textOf(goes[1] ?? goes[2] ?? '');
  if (depth > 2) return undefined;
  const onLoad = ON_LOAD.exec(code)?.[1];
  if (onLoad !== undefined) return targetOf(onLoad, depth + 1);
  const [, inBlock, inExpression, inString, wait] = LATER.exec(code) ?? [];
  if (wait === undefined || Number(wait) > LONGEST_WAIT_MS) return undefined;
  const later = inBlock ?? inExpression ?? (inString === undefined ? undefined : textOf(inString));
  return later === undefined ? undefined : targetOf(later, depth + 1);
}

/** The one statement of a script, without comments around it and the marks that hid scripts from old browsers. */
function statement(script: string): string {
  return script
    .replace(/^\s*(?:<!--[^\n]*\n|\/\/\s*<!\[CDATA\[|\/\*\s*<!\[CDATA\[\s*\*\/|['"]use strict['"]\s*;)/, '')
    .replace(/(?:\/\/\s*-->|-->|\/\/\s*\]\]>|\/\*\s*\]\]>\s*\*\/)\s*$/, '')
    .replace(/^(?:\s|\/\*[^*]*\*\/|\/\/[^\n]*\n)+/, '')
    .replace(/[\s;]+$/, '');
}

/** What a string of the script means; undefined where it needs more than the usual escapes. */
function textOf(literal: string): string | undefined {
  let isKnown = true;
  const value = literal
    .slice(1, -1)
    .replace(/\\(?:x([\da-f]{2})|u([\da-f]{4})|([\s\S]))/gi, (_, short?: string, long?: string, character?: string) => {
      const code = short ?? long;
      if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
      if (character === undefined || !/[/'"\\&?=:.]/.test(character)) isKnown = false;
      return character ?? '';
    });
  return isKnown && value.trim() !== '' ? value : undefined;
}

function unescaped(attribute: string): string {
  return attribute.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
}
