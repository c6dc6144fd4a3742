// The cache against a real API server, with every way in which a watch can end.
import type { KubeConfig } from '@kubernetes/client-node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Cache, type CacheChange, createCache } from '#src/kube/cache.ts';
import { objectKey } from '#src/kube/kube-object.ts';
import type { KubeMetrics } from '#src/kube/metrics.ts';
import { DEFAULT_TIMING, type ReflectorTiming } from '#src/kube/reflector.ts';
import { GRACE_MS, type ResourceClient } from '#src/kube/resource-client.ts';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import {
  answerWith,
  type Fault,
  type FaultProxy,
  isList,
  isWatch,
  startFaultProxy,
  statusObject,
} from '../../support/fault-proxy.ts';
import { apiOf, configFrom, eventually, installNets, logger, NETS, type Net } from './kube-test.ts';

const { signal } = new AbortController();
const TIMING: ReflectorTiming = {
  shortestWatchSeconds: 300,
  longestWatchSeconds: 600,
  silenceMs: 150_000,
  retry: { baseMs: 20, maxMs: 200 },
};
let plane: ControlPlane;
let config: KubeConfig;
let nets: ResourceClient<Net>;
let proxy: FaultProxy;
/** A new one for each test, so that nothing is left over. */
let namespace = '';
let ending: (() => Promise<void>)[] = [];

beforeAll(async () => {
  plane = await startControlPlane();
  config = configFrom(plane.kubeconfigPath);
  const { api } = apiOf(config);
  nets = api.resource<Net>(NETS);
  await installNets(api);
});
afterAll(() => plane?.stop());

afterEach(async () => {
  for (const end of ending) await end();
  ending = [];
});

interface Watched {
  cache: Cache<Net, 'colour'>;
  /** `added a`, `updated a`, `deleted a` … */
  changes: string[];
  /** The same, whole. */
  seen: CacheChange<Net>[];
  metrics: KubeMetrics;
}

/** A synced cache behind a fault proxy. */
async function watched(
  timing: Partial<ReflectorTiming> = {},
  prepare: () => Promise<unknown> = async () => {},
): Promise<Watched> {
  namespace = `n${crypto.randomUUID().slice(0, 8)}`;
  await createNamespace();
  await prepare();
  const end = new AbortController();
  proxy = await startFaultProxy(config);
  const { api, metrics } = apiOf(proxy.config);
  const cache = createCache<Net, 'colour'>(api.resource<Net>(NETS), {
    namespace,
    indexes: { colour: ({ spec }) => (spec.colour === undefined ? [] : [spec.colour]) },
    logger,
    metrics,
    signal: end.signal,
    timing: { ...TIMING, ...timing },
  });
  const changes: string[] = [];
  const seen: CacheChange<Net>[] = [];
  cache.subscribe((change) => {
    changes.push(`${change.type} ${change.object.metadata.name}`);
    seen.push(change);
  });
  ending.push(async () => {
    end.abort();
    await cache.done;
    await proxy.close();
  });
  await cache.synced(signal);
  return { cache, changes, seen, metrics };
}

async function createNamespace(): Promise<void> {
  const { api } = apiOf(config);
  const namespaces = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false };
  await api.resource(namespaces).create({ metadata: { name: namespace } }, { signal });
}

const make = (name: string, spec: Net['spec'] = { mesh: 1 }) =>
  nets.create({ metadata: { namespace, name }, spec }, { signal });
const remove = (name: string) => nets.delete({ namespace, name }, { signal });
const change = (name: string, spec: object) =>
  nets.patch({ namespace, name }, { type: 'merge', body: { spec } }, { signal });

async function total(counter: KubeMetrics['cacheLists' | 'watchRestarts'], label: string): Promise<number> {
  const { values } = await counter.get();
  return values
    .filter(({ labels }) => Object.values(labels).includes(label))
    .reduce((sum, { value }) => sum + value, 0);
}

const ourWatch = (request: Parameters<typeof isWatch>[0]) => isWatch(request);

describe('in good weather', () => {
  test('it holds what is there, page after page', async () => {
    const names = Array.from({ length: 500 }, (_, n) => `net-${n}`);
    const { cache } = await watched({}, async () => {
      const rest = [...names];
      const maker = async () => {
        for (let name = rest.pop(); name !== undefined; name = rest.pop()) await make(name);
      };
      await Promise.all(Array.from({ length: 20 }, maker));
    });
    expect(
      cache
        .list()
        .map(({ metadata }) => metadata.name)
        .sort(),
    ).toEqual([...names].sort());
    expect(proxy.requests.filter((request) => request.includes('limit=200'))).toHaveLength(3);
  });

  test('it follows changes, keeps indexes, drops managedFields', async () => {
    const { cache, changes } = await watched();
    const { metadata } = await make('a', { mesh: 1, colour: 'red' });
    await eventually(() => cache.get(metadata));
    expect(cache.get(metadata)?.metadata.managedFields).toBeUndefined();
    expect(cache.byIndex('colour', 'red').map(({ metadata }) => objectKey(metadata))).toEqual([`${namespace}/a`]);
    await change('a', { colour: 'blue' });
    await eventually(() => cache.byIndex('colour', 'blue').length === 1);
    expect(cache.byIndex('colour', 'red')).toEqual([]);
    await remove('a');
    await eventually(() => cache.get(metadata) === undefined);
    expect(cache.byIndex('colour', 'blue')).toEqual([]);
    expect(changes).toEqual(['added a', 'updated a', 'deleted a']);
  });

  test('a late subscriber first gets what is there, and nothing after it left', async () => {
    const { cache } = await watched({}, () => make('old'));
    const changes: string[] = [];
    const unsubscribe = cache.subscribe(({ type, object }) => changes.push(`${type} ${object.metadata.name}`));
    expect(changes).toEqual(['added old']);
    unsubscribe();
    const { metadata } = await make('new');
    await eventually(() => cache.get(metadata));
    expect(changes).toEqual(['added old']);
  });

  test('a write of our own is there before the watch tells of it', async () => {
    const { cache, changes } = await watched();
    proxy.freeze();
    const made = await make('mine');
    cache.observe(made);
    expect(cache.get(made.metadata)?.metadata.uid).toBe(made.metadata.uid);
    expect(changes).toEqual(['added mine']);
  });

  test('a watch that ends by its time-out goes on where it was', async () => {
    const { cache, changes, metrics } = await watched({ shortestWatchSeconds: 1, longestWatchSeconds: 1 });
    await eventually(async () => (await total(metrics.watchRestarts, 'timeout')) >= 2);
    const { metadata } = await make('later');
    await eventually(() => cache.get(metadata));
    expect(changes).toEqual(['added later']);
    expect(await total(metrics.cacheLists, 'success')).toBe(1);
  });
});

describe('in bad weather', () => {
  test('a dropped watch goes on without a list, and nothing is missed', async () => {
    const { cache, changes, metrics } = await watched({}, () => make('a'));
    await eventually(() => proxy.requests.some((request) => request.includes('watch=true')));
    proxy.inject(ourWatch, answerWith(503, statusObject(503, 'ServiceUnavailable')), 2);
    proxy.dropWatches();
    await remove('a');
    const { metadata } = await make('b');
    await eventually(() => cache.get(metadata));
    expect(changes).toEqual(['added a', 'deleted a', 'added b']);
    expect(await total(metrics.cacheLists, 'success')).toBe(1);
    expect(await total(metrics.watchRestarts, 'dropped')).toBe(1);
  });

  test('a version that is too old (410) leads to a list that finds the deleted', async () => {
    const { cache, changes, metrics } = await watched({}, () => Promise.all([make('a'), make('b')]));
    await eventually(() => proxy.requests.some((request) => request.includes('watch=true')));
    // The API server itself says that it has forgotten a version as old as this.
    proxy.inject(ourWatch, (request) => {
      request.url = request.url?.replace(/resourceVersion=\d+/, 'resourceVersion=1') ?? '';
      return false;
    });
    proxy.dropWatches();
    await remove('a');
    await change('b', { mesh: 2 });
    const { metadata } = await make('c');
    await eventually(() => cache.get(metadata));
    expect(
      cache
        .list()
        .map(({ metadata }) => metadata.name)
        .sort(),
    ).toEqual(['b', 'c']);
    expect(changes.slice(2).sort()).toEqual(['added c', 'deleted a', 'updated b']);
    expect(await total(metrics.watchRestarts, 'expired')).toBe(1);
    expect(await total(metrics.cacheLists, 'success')).toBe(2);
  });

  test('an error inside the stream leads to a list', async () => {
    const { cache, metrics } = await watched();
    await eventually(() => proxy.requests.some((request) => request.includes('watch=true')));
    proxy.inject(ourWatch, (_request, response) => {
      response.end(`${JSON.stringify({ type: 'ERROR', object: statusObject(500, 'InternalError') })}\n`);
      return true;
    });
    proxy.dropWatches();
    const { metadata } = await make('a');
    await eventually(() => cache.get(metadata));
    expect(await total(metrics.watchRestarts, 'error')).toBe(1);
    expect(await total(metrics.cacheLists, 'success')).toBe(2);
  });

  test('an event cut in half is read again', async () => {
    const { cache, changes, metrics } = await watched();
    await eventually(() => proxy.requests.some((request) => request.includes('watch=true')));
    proxy.inject(ourWatch, (_request, response) => {
      response.end('{"type":"ADDED","object":{"metadata":{"na');
      return true;
    });
    proxy.dropWatches();
    const { metadata } = await make('a');
    await eventually(() => cache.get(metadata));
    expect(changes).toEqual(['added a']);
    expect(await total(metrics.cacheLists, 'success')).toBe(1);
  });

  test('a connection that is open but dead is noticed', async () => {
    const { cache, metrics } = await watched({ silenceMs: 1_000 });
    await eventually(() => proxy.requests.some((request) => request.includes('watch=true')));
    proxy.freeze();
    const { metadata } = await make('a');
    proxy.thaw();
    await eventually(() => cache.get(metadata));
    expect(await total(metrics.watchRestarts, 'silent')).toBeGreaterThanOrEqual(1);
  });

  test('a connection that is open but dead is noticed when its watch should have ended, within a minute', async () => {
    expect(DEFAULT_TIMING.longestWatchSeconds * 1_000 + GRACE_MS).toBeLessThanOrEqual(60_000);
    const { cache, metrics } = await watched({ shortestWatchSeconds: 2, longestWatchSeconds: 2 });
    await eventually(() => proxy.requests.some((request) => request.includes('watch=true')));
    proxy.freeze();
    const { metadata } = await make('a');
    proxy.thaw();
    await eventually(() => cache.get(metadata));
    expect(await total(metrics.watchRestarts, 'silent')).toBe(0);
    expect(await total(metrics.cacheLists, 'success')).toBe(1);
  });

  test('a watch that the API server forgets to end is ended', async () => {
    const { metrics } = await watched({ shortestWatchSeconds: 1, longestWatchSeconds: 1 }, async () => {});
    proxy.inject(ourWatch, (_request, response) => {
      response.writeHead(200);
      response.flushHeaders();
      return true;
    });
    const watches = () => proxy.requests.filter((request) => request.includes('watch=true')).length;
    const before = await eventually(() => (watches() >= 2 ? watches() : false));
    await eventually(() => watches() > before);
    expect(await total(metrics.watchRestarts, 'dropped')).toBe(0);
  });

  test('a watch that ends at its time confirms what is known, and one that is ended by force does not', async () => {
    const { cache } = await watched({ shortestWatchSeconds: 1, longestWatchSeconds: 1 });
    const watches = () => proxy.requests.filter((request) => request.includes('watch=true')).length;
    const listed = cache.confirmedAt() ?? Number.POSITIVE_INFINITY;
    await eventually(() => (cache.confirmedAt() ?? 0) > listed);
    let started = 0;
    const silent: Fault = (_request, response) => {
      started += 1;
      response.writeHead(200);
      response.flushHeaders();
      return true;
    };
    proxy.inject(ourWatch, silent, 2);
    await eventually(() => started === 1);
    const [before, confirmed] = [watches(), cache.confirmedAt()];
    await eventually(() => watches() > before);
    expect(cache.confirmedAt()).toBe(confirmed);
    await eventually(() => (cache.confirmedAt() ?? 0) > (confirmed ?? 0));
    expect(cache.isPast('1')).toBe(true);
  });

  test('the same name with a new UID is one deleted and one added', async () => {
    const { cache, seen } = await watched({}, () => make('twin'));
    await eventually(() => proxy.requests.some((request) => request.includes('watch=true')));
    const [old] = cache.list();
    // Behind a list: the watch between the two is never seen.
    proxy.inject(ourWatch, answerWith(410, statusObject(410, 'Expired')));
    proxy.freeze();
    await remove('twin');
    const twin = await make('twin');
    proxy.thaw();
    proxy.dropWatches();
    await eventually(() => cache.get(twin.metadata)?.metadata.uid === twin.metadata.uid);
    expect(seen.slice(1).map(({ type, object }) => [type, object.metadata.uid])).toEqual([
      ['deleted', old?.metadata.uid],
      ['added', twin.metadata.uid],
    ]);
  });

  test('pages that expire in between are read in one', async () => {
    const made = async () => {
      for (let n = 0; n < 3; n += 1) await make(`net-${n}`);
    };
    const { cache, changes, metrics } = await watched({}, made);
    await eventually(() => proxy.requests.some((request) => request.includes('watch=true')));
    const page = { items: [], metadata: { resourceVersion: '1', continue: 'more' } };
    proxy.inject(isList, answerWith(200, page));
    proxy.inject(isList, answerWith(410, statusObject(410, 'Expired')));
    proxy.inject(ourWatch, answerWith(410, statusObject(410, 'Expired')));
    proxy.dropWatches();
    const { metadata } = await make('late');
    await eventually(() => cache.get(metadata));
    expect(cache.list()).toHaveLength(4);
    expect(changes.filter((entry) => entry.startsWith('deleted'))).toEqual([]);
    expect(await total(metrics.cacheLists, 'error')).toBe(0);
  });

  test('a list from the past does not bring back the deleted', async () => {
    const { cache, changes, metrics } = await watched({}, () => make('a'));
    await eventually(() => proxy.requests.some((request) => request.includes('watch=true')));
    const past = await nets.list({ namespace, signal });
    await remove('a');
    await eventually(() => cache.list().length === 0);
    const answer = { items: past.items, metadata: { resourceVersion: past.resourceVersion } };
    proxy.inject(isList, answerWith(200, answer), 3);
    proxy.inject(ourWatch, answerWith(410, statusObject(410, 'Expired')));
    proxy.dropWatches();
    await eventually(async () => (await total(metrics.cacheLists, 'success')) === 2);
    expect(changes).toEqual(['added a', 'deleted a']);
    expect(await total(metrics.cacheLists, 'error')).toBe(3);
  });

  test('it survives a restart of the API server', async () => {
    const { cache, changes } = await watched({}, () => make('a'));
    await plane.stopApiServer();
    await plane.startApiServer();
    const { metadata } = await make('b');
    await eventually(() => cache.get(metadata));
    expect(changes).toEqual(['added a', 'added b']);
  });
});

test('it ends when told to, also while the API server is silent', async () => {
  const end = new AbortController();
  proxy = await startFaultProxy(config);
  proxy.freeze();
  const { api, metrics } = apiOf(proxy.config);
  const cache = createCache(api.resource<Net>(NETS), { indexes: {}, logger, metrics, signal: end.signal });
  const syncing = cache.synced(end.signal);
  expect(cache.hasSynced()).toBe(false);
  end.abort(new Error('over'));
  await expect(syncing).rejects.toThrow('over');
  await cache.done;
  await proxy.close();
});
