// What somebody may be allowed to do: verbs of Kubernetes and our own, on resources of our group.

/** Verbs of our own for actions, beside those of Kubernetes. A role gives them on crawlruns and crawlschedules. */
export type Verb =
  | 'get'
  | 'list'
  | 'watch'
  | 'create'
  | 'update'
  | 'patch'
  | 'delete'
  | 'pause'
  | 'resume'
  | 'stop'
  | 'retry'
  | 'backfill'
  | 'clear'
  | 'acknowledge'
  | 'run'
  | 'suspend';

export type Right = {
  readonly verb: Verb;
  /** `audits` and `tokens` are resources of rights alone. */
  readonly resource: 'crawlschedules' | 'crawlruns' | 'crawlbackfills' | 'audits' | 'tokens';
  /** Absent: in all namespaces. */
  readonly namespace?: string;
  /** Absent: all of them. */
  readonly name?: string;
};
