// Selectors of the spec: only those that mean the same to the parser and to the browser.
import { compile } from 'css-select';
import { parse, type Selector } from 'css-what';

/** A selector that cannot be used; the message names the field and says why. */
export class SelectorError extends Error {
  constructor(field: string, selector: string, why: string) {
    super(`${field}: the selector "${selector}" is not valid: ${why}`);
    this.name = 'SelectorError';
  }
}

/**
 * Pseudo-classes that both have with one meaning. The engine has many of its own; the browser knows the state of a page, which
 * scripts and visitors change: attributes (`[disabled]`, `[checked]`, `a[href]`) say what is written.
 */
const PSEUDO_CLASSES = new Set([
  ...[
    'first-child',
    'last-child',
    'only-child',
    'first-of-type',
    'last-of-type',
    'only-of-type',
    'empty',
    'root',
    'scope',
  ],
  ...['nth-child', 'nth-last-child', 'nth-of-type', 'nth-last-of-type', 'not', 'is', 'where', 'has'],
]);

/** `2n+1`, `odd`, `-3` (Selectors 4, 13). */
const NTH = /^\s*(?:even|odd|[+-]?\d+|[+-]?\d*n(?:\s*[+-]\s*\d+)?)\s*$/i;

/** Throws a SelectorError, which names the field. */
export function checkSelector(field: string, selector: string): void {
  const why = objectionTo(selector);
  if (why !== undefined) throw new SelectorError(field, selector, why);
}

function objectionTo(selector: string): string | undefined {
  if (selector.trim() === '') return 'it is empty';
  try {
    compile(selector, { relativeSelector: false });
    const written = objectionToText(selector);
    return written ?? objectionToAll(parse(selector), undefined);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What the engine's parser takes and does not show in what it makes of it. */
function objectionToText(selector: string): string | undefined {
  const bare = selector.replace(/\\[^\n]/g, 'x').replace(/"[^"]*"|'[^']*'/g, '""');
  for (const [, value = ''] of bare.matchAll(/=\s*(?!"")([^\s\]]*)/g)) {
    if (!/^-?(?:[a-z_\u0080-\uffff]|-)[\w\u0080-\uffff-]*$/i.test(value))
      return `the value ${value} has to be in quotes`;
  }
  if (/\ss\s*\]/i.test(bare)) return 'the flag s is not known to browsers';
  if (/[.#](?![\w\u0080-\uffff-])/.test(bare.replace(/\[[^\]]*\]/g, ''))) return 'a name is missing after . or #';
  if (/:(?!(?:not|is|where|has|nth-[\w-]+)\()[\w-]+\(/i.test(bare)) return 'an argument in parentheses is not for it';
  const withoutNth = bare.replace(/:nth-[\w-]+\([^)]*\)/gi, '');
  if (/(?:^|[\s>+~,(.#:[])-?\d/.test(withoutNth)) return 'a name cannot begin with a digit';
  if (/["']/.test(bare.replaceAll('""', ''))) return 'a quote is left open';
  return undefined;
}

function objectionToAll(selectors: readonly (readonly Selector[])[], within: string | undefined): string | undefined {
  for (const selector of selectors) {
    const [first] = selector;
    if (selector.length === 0) return 'a part of it is empty';
    if (isCombinator(selector.at(-1))) return 'it ends with a combinator';
    const isRelative = first?.type === 'child' || first?.type === 'adjacent' || first?.type === 'sibling';
    if (isRelative && within !== 'has') return 'it begins with a combinator; write :scope before it';
    for (const token of selector) {
      const why = objectionToToken(token, within);
      if (why !== undefined) return why;
    }
  }
  return undefined;
}

function objectionToNth(name: string, formula: string): string | undefined {
  if (!NTH.test(formula)) return `:${name}(${formula}) is not CSS`;
  // The engine leaves the root out then.
  if (/^\s*\+?1?n(?:\s*(?:-\s*\d+|\+\s*0*[01]))?\s*$/i.test(formula))
    return `:${name}(${formula}) is every element: leave it out`;
  return undefined;
}

function isCombinator(token: Selector | undefined): boolean {
  return token !== undefined && COMBINATORS.includes(token.type);
}

const COMBINATORS: readonly string[] = ['descendant', 'child', 'adjacent', 'sibling', 'parent', 'column-combinator'];

function objectionToToken(token: Selector, within: string | undefined): string | undefined {
  if ('namespace' in token && token.namespace !== null && token.namespace !== undefined)
    return 'namespaces are not known to it';
  switch (token.type) {
    case 'parent':
    case 'column-combinator':
      return 'a combinator of it is not CSS';
    case 'pseudo-element':
      return `::${token.name} is no element`;
    case 'attribute':
      if (!/^[\w\u0080-\uffff-]+$/.test(token.name)) return `${token.name} is no name of an attribute`;
      return token.action === 'not' ? `[${token.name}!=…] is not CSS; write :not([${token.name}=…])` : undefined;
    case 'pseudo': {
      const name = token.name;
      if (!PSEUDO_CLASSES.has(name)) return `:${name} is not CSS that both the parser and the browser know`;
      if (name === 'has' && within === 'has') return ':has() cannot stand in :has()';
      const isFunction = name.startsWith('nth-') || ['not', 'is', 'where', 'has'].includes(name);
      if (isFunction && token.data === null) return `:${name} lacks its argument`;
      if (name.startsWith('nth-')) return objectionToNth(name, String(token.data));
      if (Array.isArray(token.data)) {
        if (token.data.length === 0) return `:${name}() is empty`;
        return objectionToAll(
          token.data,
          name === 'has' || within === 'has' ? (name === 'has' ? 'has' : 'in has') : name,
        );
      }
      return undefined;
    }
    default:
      return undefined;
  }
}
