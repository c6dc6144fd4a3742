// The version of an object as HTTP carries it: its resourceVersion as a strong ETag, asked for with If-Match (RFC 9110, 13.1.1).
import { ProblemError } from './problem.ts';

export function etagOf({ metadata }: { readonly metadata: { readonly resourceVersion: string } }): string {
  return `"${metadata.resourceVersion}"`;
}

/** The resourceVersion that the header asks for; undefined without a header and with `*`. Throws a BadRequest. */
export function expectedVersion(ifMatch: string | undefined): string | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined;
  // Compression makes a strong ETag weak on its way; it is of the object all the same.
  const [, version] = /^(?:W\/)?"([0-9A-Za-z]+)"$/.exec(ifMatch.trim()) ?? [];
  if (version === undefined) {
    throw new ProblemError('BadRequest', 'If-Match: write one ETag as it was given, such as "4711"', {
      errors: [{ field: 'If-Match', message: 'is no ETag of this server' }],
    });
  }
  return version;
}
