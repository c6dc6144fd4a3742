// One of the two controllers under comparison, with the same verbs for both, so that a case is written once.
import { type Cache, createCache } from '#src/kube/cache.ts';
import type { KubeApi } from '#src/kube/client.ts';
import { isInvalid } from '#src/kube/kube-error.ts';
import {
  controllerOf,
  type KubeObject,
  type NewObject,
  type ObjectRef,
  type ResourceType,
} from '#src/kube/kube-object.ts';
import type { KubeMetrics } from '#src/kube/metrics.ts';
import type { Logger } from '#src/telemetry/logger.ts';

/** What both kinds of schedule have, in the words of CronJob. */
export type CommonSpec = {
  readonly schedule: string;
  readonly concurrencyPolicy: 'Allow' | 'Forbid' | 'Replace';
  readonly timeZone?: string;
  readonly suspend?: boolean;
  readonly startingDeadlineSeconds?: number;
  /** How many that have succeeded and failed are kept. */
  readonly history?: { readonly succeeded: number; readonly failed: number };
};

/** How a job or run ends once it is there; without, it goes on until it is ended. */
export type Ending = 'completes' | 'fails';

/** A schedule by its name, on one side. What it starts, a Job or a CrawlRun, is called its child here. */
export type Side = {
  create(name: string, spec: CommonSpec, options: { ends?: Ending; more?: object }): Promise<'created' | 'refused'>;
  edit(name: string, spec: Partial<CommonSpec>): Promise<void>;
  delete(name: string, propagationPolicy: 'Background' | 'Orphan'): Promise<void>;
  endChildren(name: string): Promise<void>;
  deleteChildren(name: string): Promise<void>;
  wipeStatus(name: string): Promise<void>;
  /** Gives the name that the slot's child would have to something of nobody's. */
  takeName(name: string, slot: Date): Promise<void>;
  /** A child at once, as a user asks for it. */
  startByHand(name: string): Promise<void>;
  /** The children that are there, whether or not their schedule is. */
  children(name: string): KubeObject[];
  /** The slots of all children that there ever were, oldest first. */
  fires(name: string): Date[];
  schedule(name: string): Promise<KubeObject | undefined>;
};

/** What is not the same for CronJobs and CrawlSchedules. */
export type Dialect<Child extends KubeObject> = {
  readonly schedules: ResourceType;
  readonly children: ResourceType;
  /** Only what is given: also the body of an edit. */
  spec(spec: Partial<CommonSpec>): object;
  /** What every schedule has besides. */
  template(ends?: Ending): object;
  /** Undefined for a child that no slot asked for. */
  slotOf(child: Child): Date | undefined;
  childName(name: string, slot: Date): string;
  childSpec(): object;
  childByHand(schedule: KubeObject): NewObject<Child>;
  end(api: KubeApi, child: Child, signal: AbortSignal): Promise<void>;
  /** Called for each change of a child whose ending is wanted and does not come by itself. */
  bringToEnd?(api: KubeApi, child: Child, ends: Ending, signal: AbortSignal): Promise<void>;
};

export type SideOptions = {
  readonly api: KubeApi;
  readonly namespace: string;
  readonly logger: Logger;
  readonly metrics: KubeMetrics;
  readonly signal: AbortSignal;
};

export async function createSide<Child extends KubeObject>(
  dialect: Dialect<Child>,
  { api, namespace, logger, metrics, signal }: SideOptions,
): Promise<Side> {
  const schedules = api.resource<KubeObject>(dialect.schedules);
  const childClient = api.resource<Child>(dialect.children);
  const endings = new Map<string, Ending>();
  const seen = new Map<string, { schedule: string; slot: Date }>();

  const cache: Cache<Child> = createCache(childClient, { namespace, indexes: {}, logger, metrics, signal });
  cache.subscribe((change) => {
    const child = change.object;
    const schedule = scheduleOf(child);
    if (change.type === 'deleted' || schedule === undefined) return;
    const slot = dialect.slotOf(child);
    if (slot) seen.set(child.metadata.uid, { schedule, slot });
    const ends = endings.get(schedule);
    if (ends === undefined || dialect.bringToEnd === undefined) return;
    dialect.bringToEnd(api, child, ends, signal).catch((error: unknown) => {
      if (!signal.aborted)
        logger.warn({ err: error, child: child.metadata.name }, 'could not end it; it changes again');
    });
  });
  await cache.synced(signal);

  const ref = (name: string): ObjectRef => ({ namespace, name });
  const childrenOf = (name: string) => cache.list().filter((child) => scheduleOf(child) === name);

  function scheduleOf(child: Child): string | undefined {
    const owner = controllerOf(child);
    if (owner) return owner.kind === dialect.schedules.kind ? owner.name : undefined;
    // Orphans and such as have a name of ours.
    return dialect.slotOf(child) && child.metadata.name.replace(/-\d+$/, '');
  }

  return {
    create: async (name, spec, { ends, more = {} }) => {
      if (ends) endings.set(name, ends);
      const body = { ...dialect.spec(spec), ...dialect.template(ends), ...more };
      try {
        await schedules.create({ metadata: { name, namespace }, spec: body } as NewObject<KubeObject>, { signal });
        return 'created';
      } catch (error) {
        if (isInvalid(error)) return 'refused';
        throw error;
      }
    },
    edit: async (name, spec) => {
      await schedules.patch(ref(name), { type: 'merge', body: { spec: dialect.spec(spec) } }, { signal });
    },
    delete: async (name, propagationPolicy) => {
      await schedules.delete(ref(name), { propagationPolicy, signal });
    },
    endChildren: async (name) => {
      await Promise.all(childrenOf(name).map((child) => dialect.end(api, child, signal)));
    },
    deleteChildren: async (name) => {
      const options = { propagationPolicy: 'Background', signal } as const;
      await Promise.all(childrenOf(name).map((child) => childClient.delete(child.metadata, options)));
    },
    wipeStatus: async (name) => {
      const body = [{ op: 'remove', path: '/status' }] as const;
      await schedules.patch(ref(name), { type: 'json', body }, { signal, subresource: 'status' });
    },
    takeName: async (name, slot) => {
      const metadata = { name: dialect.childName(name, slot), namespace };
      await childClient.create({ metadata, spec: dialect.childSpec() } as unknown as NewObject<Child>, { signal });
    },
    startByHand: async (name) => {
      const schedule = await schedules.get(ref(name), { signal });
      if (schedule === undefined) throw new Error(`there is no schedule ${name}`);
      await childClient.create(dialect.childByHand(schedule), { signal });
    },
    children: childrenOf,
    fires: (name) =>
      [...seen.values()]
        .filter(({ schedule }) => schedule === name)
        .map(({ slot }) => slot)
        .sort((a, b) => a.getTime() - b.getTime()),
    schedule: (name) => schedules.get(ref(name), { signal }),
  };
}
