// The order of resourceVersions: since Kubernetes 1.35 they are documented to be decimal numbers that grow.

/** Below 0 when `a` is older than `b`, above 0 when it is newer. They may be longer than a JavaScript number holds. */
export function compareVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
