// What a named token may do: a role of a fixed list, in its namespaces. Pure.
import type { Right, Verb } from './rights.ts';

type RoleRights = Readonly<Partial<Record<Right['resource'], readonly Verb[]>>>;

const READ = ['get', 'list', 'watch'] as const;
const SCHEDULE_ACTIONS = ['run', 'suspend', 'resume'] as const;
const RUN_ACTIONS = ['pause', 'resume', 'stop', 'retry', 'backfill', 'clear', 'acknowledge'] as const;

/** Each holds what the one before it does. */
const ROLES = {
  viewer: { crawlschedules: READ, crawlruns: READ, crawlbackfills: READ },
  operator: {
    crawlschedules: [...READ, ...SCHEDULE_ACTIONS],
    crawlruns: [...READ, ...RUN_ACTIONS, 'patch'],
    crawlbackfills: READ,
  },
  editor: {
    crawlschedules: [...READ, ...SCHEDULE_ACTIONS, 'create', 'update', 'patch', 'delete'],
    crawlruns: [...READ, ...RUN_ACTIONS, 'create', 'patch', 'delete'],
    crawlbackfills: READ,
  },
} as const satisfies Record<string, RoleRights>;

export type TokenRole = keyof typeof ROLES;
export const TOKEN_ROLES = Object.keys(ROLES) as [TokenRole, ...TokenRole[]];

export type Grant = {
  readonly role: TokenRole;
  /** Absent: all of them, and what spans them. */
  readonly namespaces?: readonly string[] | undefined;
};

/** As a SubjectAccessReview would answer for a role that is bound in these namespaces. */
export function grants({ role, namespaces }: Grant, { verb, resource, namespace }: Right): boolean {
  const rights: RoleRights = ROLES[role];
  const isWithin = namespaces === undefined || (namespace !== undefined && namespaces.includes(namespace));
  return isWithin && (rights[resource]?.includes(verb) ?? false);
}

/** Every right that a grant gives, for who gives it: nobody gives what they do not have. */
export function rightsOf({ role, namespaces }: Grant): Right[] {
  const where = namespaces === undefined ? [{}] : namespaces.map((namespace) => ({ namespace }));
  const rights = Object.entries(ROLES[role]) as [Right['resource'], readonly Verb[]][];
  return where.flatMap((place) =>
    rights.flatMap(([resource, verbs]) => verbs.map((verb): Right => ({ verb, resource, ...place }))),
  );
}
