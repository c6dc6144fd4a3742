// Selectors of the spec: only those that mean the same to the parser and to the browser.
import { compile } from 'css-select';

/** A selector that cannot be used; the message names the field and says why. */
export class SelectorError extends Error {
  constructor(field: string, selector: string, why: string) {
    super(`${field}: the selector "${selector}" is not valid: ${why}`);
    this.name = 'SelectorError';
  }
}

/** Pseudo-classes that the parser's selector engine has and browsers have not, or not with the same meaning. */
const NOT_IN_BROWSERS =
  /(?<!:):(contains|icontains|parent|header|button|input|text|selected|checkbox|file|password|radio|reset|image|submit|first|last|eq|gt|lt|even|odd)(?![-\w])/i;

/** Throws a SelectorError, which names the field. */
export function checkSelector(field: string, selector: string): void {
  if (selector.trim() === '') throw new SelectorError(field, selector, 'it is empty');
  const foreign = NOT_IN_BROWSERS.exec(withoutStrings(selector));
  if (foreign !== null) throw new SelectorError(field, selector, `${foreign[0]} is not CSS`);
  if (/^\s*[>+~]|,\s*[>+~]/.test(withoutStrings(selector))) {
    throw new SelectorError(field, selector, 'it begins with a combinator; write :scope before it');
  }
  try {
    compile(selector, { relativeSelector: false });
  } catch (error) {
    throw new SelectorError(field, selector, error instanceof Error ? error.message : String(error));
  }
}

function withoutStrings(selector: string): string {
  return selector.replace(/"[^"]*"|'[^']*'/g, '""');
}
