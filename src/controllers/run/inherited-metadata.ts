// Labels and annotations that a run hands on to its Job and pods, such as a queue's name or a cost centre. Pure functions.
import type { CrawlRun } from '../../custom-resources/types.ts';
import { GROUP } from '../../resources/group.ts';

/**
 * Domains whose labels and annotations say who applied the run itself: on a Job they would make Argo CD, Flux, Helm or
 * kubectl take that for theirs, and prune it.
 */
const OF_THE_RUN_ALONE = [
  GROUP,
  'kubectl.kubernetes.io',
  'app.kubernetes.io',
  'argocd.argoproj.io',
  'helm.sh',
  'meta.helm.sh',
  'kustomize.toolkit.fluxcd.io',
  'helm.toolkit.fluxcd.io',
];

export function inheritedLabels(run: CrawlRun): Record<string, string> {
  return inherited(run.metadata.labels);
}

export function inheritedAnnotations(run: CrawlRun): Record<string, string> {
  return inherited(run.metadata.annotations);
}

function inherited(entries: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(entries).filter(([key]) => !OF_THE_RUN_ALONE.includes(key.slice(0, Math.max(0, key.indexOf('/'))))),
  );
}
