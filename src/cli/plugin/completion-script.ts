// The program that kubectl's own completion asks.

/** What kubectl looks for on the PATH. */
export const COMPLETION_SCRIPT = `#!/bin/sh
# On the PATH as kubectl_complete-trawler, it completes \`kubectl trawler\` wherever kubectl itself is completed.
exec kubectl-trawler complete -- "$@"
`;
