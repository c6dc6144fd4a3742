import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { environmentName, loadConfig } from '#src/config.ts';

const database = { TRAWLER_DATABASE_URL: 'postgres://trawler@db.example/trawler' };
const folders: string[] = [];

afterEach(() => Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true }))));

async function configFile(content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'trawler-config-'));
  folders.push(folder);
  const path = join(folder, 'config.yaml');
  await writeFile(path, content);
  return path;
}

test('a key is found in the environment under its name in capitals', () => {
  expect(environmentName('databaseGatewayUrl')).toBe('TRAWLER_DATABASE_GATEWAY_URL');
});

describe('loadConfig', () => {
  test('takes the environment over the file over the default', async () => {
    const TRAWLER_CONFIG = await configFile('logLevel: debug\nreconcilers: 3\n');
    const config = loadConfig({ ...database, TRAWLER_CONFIG, TRAWLER_RECONCILERS: '5' });
    expect(config).toMatchObject({ reconcilers: 5, logLevel: 'debug', databaseSchema: 'trawler' });
  });

  test('an empty variable is one that is not set', () => {
    expect(loadConfig({ ...database, TRAWLER_LOG_LEVEL: '' }).logLevel).toBe('info');
  });

  test('lists are separated by commas, switches are true or false', () => {
    const config = loadConfig({
      ...database,
      TRAWLER_ALLOWED_ADDRESSES: 'a:80, b:81',
      TRAWLER_DATABASE_MIGRATE: 'false',
    });
    expect(config).toMatchObject({ allowedAddresses: ['a:80', 'b:81'], databaseMigrate: false });
  });

  test('queues are a map, YAML or JSON in the environment', async () => {
    const nightly = { nightly: { maxActiveRuns: 5 } };
    expect(loadConfig({ ...database, TRAWLER_QUEUES: JSON.stringify(nightly) }).queues).toEqual(nightly);
    const TRAWLER_CONFIG = await configFile('queues: {nightly: {maxActiveRuns: 5}, bulk: {}}\n');
    expect(loadConfig({ ...database, TRAWLER_CONFIG }).queues).toEqual({ ...nightly, bulk: {} });
    expect(loadConfig(database).queues).toEqual({});
  });

  test('the user of crawler pods is a number, or assigned by the cluster', () => {
    expect(loadConfig(database).crawlerUser).toBe(65_532);
    expect(loadConfig({ ...database, TRAWLER_CRAWLER_USER: '1000' }).crawlerUser).toBe(1_000);
    expect(loadConfig({ ...database, TRAWLER_CRAWLER_USER: 'Assigned' }).crawlerUser).toBeUndefined();
  });

  test('the fields of a pod that tenants may set are a list, which may be empty', () => {
    const allowed = (TRAWLER_ALLOWED_POD_FIELDS: string) =>
      loadConfig({ ...database, TRAWLER_ALLOWED_POD_FIELDS }).allowedPodFields;
    expect(allowed('labels, image')).toEqual(['labels', 'image']);
    expect(allowed('None')).toEqual([]);
    expect(loadConfig(database).allowedPodFields).not.toContain('priorityClassName');
  });

  test.each([
    [{ ...database, TRAWLER_CRAWLER_USER: '0' }, 'TRAWLER_CRAWLER_USER (crawlerUser)'],
    [{ ...database, TRAWLER_QUEUES: '{nightly: {maxActiveRuns: 0}}' }, 'TRAWLER_QUEUES (queues)'],
    [{ ...database, TRAWLER_QUEUES: '{nightly: {cap: 1}}' }, 'TRAWLER_QUEUES (queues)'],
    [{ ...database, TRAWLER_QUEUES: '{Nightly: {}}' }, 'TRAWLER_QUEUES (queues)'],
    [{ ...database, TRAWLER_QUEUES: 'nightly=5' }, 'TRAWLER_QUEUES (queues)'],
    [{ ...database, TRAWLER_ALLOWED_POD_FIELDS: 'hostNetwork' }, 'TRAWLER_ALLOWED_POD_FIELDS (allowedPodFields)'],
    [{}, 'TRAWLER_DATABASE_URL (databaseUrl): is missing'],
    [{ TRAWLER_DATABASE_URL: 'mysql://x' }, 'TRAWLER_DATABASE_URL (databaseUrl): must be a PostgreSQL URL'],
    [{ ...database, TRAWLER_METRICS_PORT: 'http' }, 'TRAWLER_METRICS_PORT (metricsPort)'],
    [{ ...database, TRAWLER_LOG_LEVEL: 'loud' }, 'TRAWLER_LOG_LEVEL (logLevel)'],
    [{ ...database, TRAWLER_DATABASE_MIGRATE: 'maybe' }, 'TRAWLER_DATABASE_MIGRATE (databaseMigrate)'],
    [
      { ...database, TRAWLER_GATEWAY_URL: 'https://gateway:8443/path' },
      'TRAWLER_GATEWAY_URL (gatewayUrl): must be an origin',
    ],
    [
      { ...database, TRAWLER_DATABASE_WORKER_URL: 'postgres://pooler/trawler' },
      'TRAWLER_DATABASE_WORKER_URL (databaseWorkerUrl) is gone: workers do not reach PostgreSQL any more',
    ],
    [{ ...database, TRAWLER_CONFIG: '/nowhere.yaml' }, 'TRAWLER_CONFIG: cannot read /nowhere.yaml'],
  ])('%o is refused by name', (environment, message) => {
    expect(() => loadConfig(environment)).toThrow(message);
  });

  test('an unknown key in the file is refused by name', async () => {
    const TRAWLER_CONFIG = await configFile('logLevle: debug\n');
    expect(() => loadConfig({ ...database, TRAWLER_CONFIG })).toThrow('unknown key logLevle');
  });

  test('takes the certificates of the authority from their file', async () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
    const TRAWLER_DATABASE_CA_FILE = await configFile(pem);
    expect(loadConfig({ ...database, TRAWLER_DATABASE_CA_FILE }).databaseCa).toBe(pem);
  });

  test('says which variable names a file that cannot be used, and why', async () => {
    const load = (TRAWLER_DATABASE_CA_FILE: string) => () => loadConfig({ ...database, TRAWLER_DATABASE_CA_FILE });
    expect(load('/nowhere/ca.crt')).toThrow(/^TRAWLER_DATABASE_CA_FILE: cannot read \/nowhere\/ca\.crt: ENOENT/);
    expect(load(await configFile('no certificate'))).toThrow(
      /^TRAWLER_DATABASE_CA_FILE: .* holds no certificate in PEM/,
    );
  });
});
