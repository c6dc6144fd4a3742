// Patterns of include and exclude, over whole URLs.
import { domainToASCII } from 'node:url';
import { comparable } from './percent-encoding.ts';

export type UrlPattern = (href: string) => boolean;

type Token =
  | { readonly type: 'text'; readonly text: string }
  /** Any characters but `/`, and any at all. */
  | { readonly type: 'star' | 'globstar' }
  /** One character. */
  | { readonly type: 'class'; readonly characters: RegExp }
  | { readonly type: 'either'; readonly choices: readonly (readonly Token[])[] };

/**
 * `*` stands for any characters but `/`, `**` for any at all, and `**` between two slashes for nothing as well; `{a,b}` for one of
 * the texts between the commas, `[0-9a-f]` for one character of the ranges. Everything else is itself: `?`, parentheses, other
 * brackets, and what a backslash stands before. The pattern is brought to the form of URLs: the host in ASCII and lower case,
 * characters percent-encoded.
 *
 * It is matched in one walk over the URL for each of its parts, so that none takes long.
 */
export function compileUrlPattern(pattern: string): UrlPattern {
  const tokens = tokensOf(withHostOfUrls(pattern));
  return (href) => {
    const url = comparable(href);
    return after(tokens, url, [0]).includes(url.length);
  };
}

/** The host as the URL parser writes it, where the pattern begins with one. */
function withHostOfUrls(pattern: string): string {
  const [beginning, scheme = '', written = ''] = /^(https?:\/\/|\*:\/\/)([^/?#]*)/i.exec(pattern) ?? [];
  if (beginning === undefined) return pattern;
  const port = scheme.toLowerCase() === 'https://' ? /:443$/ : /:80$/;
  const host = written
    .replace(port, '')
    .split('.')
    .map((label) => (/[^ -~]/.test(label) ? domainToASCII(label) || label : label.toLowerCase()))
    .join('.');
  const rest = pattern.slice(beginning.length);
  return `${scheme.toLowerCase()}${host}${rest === '' && !host.endsWith('*') ? '/' : rest}`;
}

/** What is read at once: an escaped character, folders, stars, ranges, or any other character. */
const LEXEME = /\\([\s\S])|(?<=\/)(\*\*\/)|(\*{2,})|(\*)|(\[(?:[0-9]-[0-9]|[a-z]-[a-z]|[A-Z]-[A-Z])+\])|[\s\S]/y;

function tokensOf(pattern: string): readonly Token[] {
  return parse(pattern, bracesOf(pattern), 0, pattern.length)[0] ?? [];
}

/** The choices between `start` and `end`: one, unless there are braces around them. */
function parse(pattern: string, braces: ReadonlyMap<number, number>, start: number, end: number): Token[][] {
  const choices: Token[][] = [[]];
  let current: Token[] = [];
  choices[0] = current;
  let position = start;
  while (position < end) {
    const closing = braces.get(position);
    if (closing !== undefined) {
      current.push({ type: 'either', choices: parse(pattern, braces, position + 1, closing) });
      position = closing + 1;
    } else if (pattern[position] === ',' && braces.get(start - 1) === end) {
      current = [];
      choices.push(current);
      position++;
    } else {
      LEXEME.lastIndex = position;
      const lexeme = LEXEME.exec(pattern);
      if (lexeme === null) break;
      push(current, lexeme);
      position = LEXEME.lastIndex;
    }
  }
  return choices.map((tokens) => tokens.map((token) => (token.type === 'text' ? text(comparable(token.text)) : token)));
}

function push(tokens: Token[], [written, escaped, folders, globstar, star, ranges]: RegExpExecArray): void {
  if (folders !== undefined) tokens.push({ type: 'either', choices: [[], [{ type: 'globstar' }, text('/')]] });
  else if (globstar !== undefined) tokens.push({ type: 'globstar' });
  else if (star !== undefined) tokens.push({ type: 'star' });
  else if (ranges !== undefined) tokens.push({ type: 'class', characters: new RegExp(ranges) });
  else {
    const last = tokens.at(-1);
    const character = escaped ?? written;
    if (last?.type === 'text') tokens[tokens.length - 1] = text(last.text + character);
    else tokens.push(text(character));
  }
}

function text(content: string): Token & { readonly type: 'text' } {
  return { type: 'text', text: content };
}

/** Where the braces of choices are closed, by where they are opened: those with a comma of their own. */
function bracesOf(pattern: string): ReadonlyMap<number, number> {
  const closings = new Map<number, number>();
  const open: { readonly at: number; hasComma: boolean }[] = [];
  for (let position = 0; position < pattern.length; position++) {
    const innermost = open.at(-1);
    if (pattern[position] === '\\') position++;
    else if (pattern[position] === '{') open.push({ at: position, hasComma: false });
    else if (pattern[position] === ',' && innermost !== undefined) innermost.hasComma = true;
    else if (pattern[position] === '}' && innermost !== undefined) {
      open.pop();
      if (innermost.hasComma) closings.set(innermost.at, position);
    }
  }
  return closings;
}

/** Where the tokens may end in the URL when they begin at one of `starts`; both in ascending order. */
function after(tokens: readonly Token[], url: string, starts: readonly number[]): readonly number[] {
  return tokens.reduce((ends, token) => (ends.length === 0 ? ends : afterOne(token, url, ends)), starts);
}

function afterOne(token: Token, url: string, starts: readonly number[]): readonly number[] {
  switch (token.type) {
    case 'text':
      return starts.filter((start) => url.startsWith(token.text, start)).map((start) => start + token.text.length);
    case 'class':
      return starts.filter((start) => token.characters.test(url[start] ?? '')).map((start) => start + 1);
    case 'globstar': {
      const [first = 0] = starts;
      return Array.from({ length: url.length - first + 1 }, (_, offset) => first + offset);
    }
    case 'star':
      return afterStar(url, starts);
    case 'either': {
      const ends = new Set(token.choices.flatMap((choice) => [...after(choice, url, starts)]));
      return [...ends].sort((a, b) => a - b);
    }
  }
}

function afterStar(url: string, starts: readonly number[]): readonly number[] {
  const ends: number[] = [];
  for (const start of starts) {
    // Up to where the start before has come, everything is there already.
    for (let end = Math.max(start, (ends.at(-1) ?? -1) + 1); end <= url.length; end++) {
      if (end > start && url[end - 1] === '/') break;
      ends.push(end);
    }
  }
  return ends;
}
