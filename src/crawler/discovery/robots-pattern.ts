// Whether a path pattern of robots.txt matches a URL (RFC 9309, 2.2.2 and 2.2.3).
import { comparable, escapeNonAscii } from '../urls/percent-encoding.ts';

/** Path and query of a URL in the form in which patterns are compared with it. */
export type RobotsPath = {
  readonly path: string;
  /** The same with `/` and `?` written plainly in the query, where they mean nothing. */
  readonly plainQuery: string;
};

export type RobotsPattern = (path: RobotsPath) => boolean;

export function robotsPathOf({ pathname, search }: Pick<URL, 'pathname' | 'search'>): RobotsPath {
  const path = comparable(pathname + search)
    .replaceAll('*', '%2A')
    .replaceAll('$', '%24');
  return { path, plainQuery: withPlainQuery(path) };
}

/**
 * A pattern matches from the beginning of the path. `*` stands for any characters, `$` at the end for the end of the URL;
 * `%2A` and `%24` are the characters themselves.
 */
export function compilePattern(written: string): RobotsPattern {
  const isAnchored = written.endsWith('$');
  const body = comparable(isAnchored ? written.slice(0, -1) : written).replaceAll('$', '%24');
  const pieces = body.split('*');
  const plainBody = withPlainQuery(body);
  if (plainBody === body)
    return ({ path, plainQuery }) =>
      fits(pieces, isAnchored, path) || (path !== plainQuery && fits(pieces, isAnchored, plainQuery));
  const plainPieces = plainBody.split('*');
  return ({ path, plainQuery }) => fits(pieces, isAnchored, path) || fits(plainPieces, isAnchored, plainQuery);
}

/** The octets of a pattern: of two that match the one with more counts (RFC 9309, 2.2.2). */
export function patternLength(written: string): number {
  return escapeNonAscii(written).length;
}

/**
 * Goes over the path once, since each piece is looked for behind the one before: no pattern, however many stars it has, takes
 * long.
 */
function fits(pieces: readonly string[], isAnchored: boolean, path: string): boolean {
  const [first = '', ...others] = pieces;
  const last = others.pop();
  if (last === undefined) return isAnchored ? path === first : path.startsWith(first);
  if (!path.startsWith(first)) return false;
  let end = first.length;
  for (const piece of others) {
    const found = path.indexOf(piece, end);
    if (found < 0) return false;
    end = found + piece.length;
  }
  if (isAnchored) return path.length - last.length >= end && path.endsWith(last);
  return path.indexOf(last, end) >= 0;
}

function withPlainQuery(path: string): string {
  const query = path.indexOf('?');
  if (query < 0) return path;
  return path.slice(0, query) + path.slice(query).replaceAll('%2F', '/').replaceAll('%3F', '?');
}
