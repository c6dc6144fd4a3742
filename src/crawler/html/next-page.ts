// How a page names the next one of its listing when the spec does not say where the link is.

/** The first `<link>` or `<a>` with `rel=next`; without one a Link header with that relation counts. */
export const NEXT_BY_RELATION = 'link[rel~="next" i][href], a[rel~="next" i][href]';
