// What the chart makes of its values, without a cluster.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_POD_FIELDS } from '#src/resources/pod-template.ts';
import { renderInstall } from '../../../dev/install-manifest.ts';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { chart, container, helm, type Manifest, one, parse, render } from './helm.ts';

const OWN_DATABASE = 'database.existingSecret=db';
const EVALUATION = 'postgres.enabled=true';

const environment = (manifests: Manifest[]) =>
  Object.fromEntries(
    container(one(manifests, 'Deployment', 'trawler-operator')).env.map(({ name, value, valueFrom }) => [
      name,
      value ?? valueFrom,
    ]),
  );

describe('values', () => {
  test.each([OWN_DATABASE, EVALUATION])('lint finds nothing wrong with %s', async (value) => {
    expect(await helm('lint', '--strict', chart, `--set=${value}`)).toContain('0 chart(s) failed');
  });

  test.each([
    [[], 'Trawler needs a PostgreSQL: set database.existingSecret'],
    [[OWN_DATABASE, EVALUATION], 'set either database.existingSecret or postgres.enabled, not both'],
    [[OWN_DATABASE, 'database.workerUrlKey=pooler'], 'database.workerUrlKey is now database.gatewayUrlKey'],
    [[EVALUATION, 'gateway.replicas=0'], "at '/gateway/replicas'"],
    [[EVALUATION, 'networkPolicy.crawlerNamespaces={Red}'], "at '/networkPolicy/crawlerNamespaces/0'"],
    [[EVALUATION, 'operator.replica=2'], "at '/operator': additional properties 'replica' not allowed"],
    [[EVALUATION, 'operator.logLevel=loud'], "at '/operator/logLevel'"],
    [[EVALUATION, 'database.schema=Upper'], "at '/database/schema'"],
    [[EVALUATION, 'crawler.allowedAddresses={a.b}'], "at '/crawler/allowedAddresses/0'"],
    [[EVALUATION, 'crawler.allowedProxies={http://a.b:80}'], "at '/crawler/allowedProxies/0'"],
    [[EVALUATION, 'crawler.browserSeccompProfile=/etc/x.json'], "at '/crawler/browserSeccompProfile'"],
    [[EVALUATION, 'tracing.url=collector:4318'], "at '/tracing/url'"],
    [[EVALUATION, 'tracing.pages=2'], "at '/tracing/pages'"],
    [[EVALUATION, 'crawler.user=0'], "at '/crawler/user'"],
    [[EVALUATION, 'crawler.allowedPodFields={hostNetwork}'], "at '/crawler/allowedPodFields/0'"],
    [[EVALUATION, 'operator.image.digest=latest'], "at '/operator/image/digest'"],
  ])('%j is refused with a reason', async (values, reason) => {
    await expect(render(...values)).rejects.toThrow(reason);
  });

  test('images have the version of the chart, a tag of their own, or a digest', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const plain = await render(EVALUATION);
    const set = await render(EVALUATION, 'operator.image.tag=dev', `crawler.image.digest=${digest}`);
    expect(container(one(plain, 'Deployment', 'trawler-operator')).image).toBe('ghcr.io/trawler/operator:0.1.0');
    expect(container(one(plain, 'StatefulSet', 'trawler-postgres')).image).toBe('ghcr.io/trawler/postgres:0.1.0');
    expect(environment(plain)).toMatchObject({ TRAWLER_CRAWLER_IMAGE: 'ghcr.io/trawler/crawler:0.1.0' });
    expect(container(one(set, 'Deployment', 'trawler-operator')).image).toBe('ghcr.io/trawler/operator:dev');
    expect(environment(set)).toMatchObject({ TRAWLER_CRAWLER_IMAGE: `ghcr.io/trawler/crawler@${digest}` });
  });

  test('the operator is told everything by its environment, secrets by reference', async () => {
    const values = [
      'database.gatewayUrlKey=pooler',
      'database.schema=crawl',
      'crawler.allowedAddresses={a.b:80,10.0.0.0/8:443}',
      'crawler.allowedProxies={proxy.b:3128}',
    ];
    expect(
      environment(
        await render(
          OWN_DATABASE,
          ...values,
          'operator.logLevel=debug',
          'operator.maxActiveRuns=20',
          'operator.maxActiveRunsPerNamespace=5',
          'operator.queues.nightly.maxActiveRuns=3',
          'database.migrate=false',
        ),
      ),
    ).toEqual({
      TRAWLER_NAMESPACE: { fieldRef: { fieldPath: 'metadata.namespace' } },
      TRAWLER_POD_NAME: { fieldRef: { fieldPath: 'metadata.name' } },
      TRAWLER_DATABASE_URL: { secretKeyRef: { name: 'db', key: 'url' } },
      TRAWLER_DATABASE_GATEWAY_URL: { secretKeyRef: { name: 'db', key: 'pooler' } },
      TRAWLER_GATEWAY_URL: 'https://trawler-gateway.trawler-system.svc:8443',
      TRAWLER_GATEWAY_TLS_SECRET: 'trawler-gateway-tls',
      TRAWLER_GATEWAY_TLS_MANAGED: 'true',
      TRAWLER_GATEWAY_LOGIN_SECRET: 'trawler-gateway-login',
      TRAWLER_GATEWAY_CONNECTIONS: '40',
      TRAWLER_DATABASE_SCHEMA: 'crawl',
      TRAWLER_DATABASE_POOL_SIZE: '5',
      TRAWLER_DATABASE_RETENTION_DAYS: '30',
      TRAWLER_DATABASE_HISTORY_DAYS: '400',
      TRAWLER_DATABASE_LOG_DAYS: '30',
      TRAWLER_MAINTENANCE_SCHEDULE: '0 2 * * *',
      TRAWLER_MAINTENANCE_TIME_ZONE: 'Etc/UTC',
      TRAWLER_DATABASE_MIGRATE: 'false',
      TRAWLER_CRAWLER_IMAGE: 'ghcr.io/trawler/crawler:0.1.0',
      TRAWLER_IMAGE_PULL_POLICY: 'IfNotPresent',
      TRAWLER_ALLOWED_ADDRESSES: 'a.b:80,10.0.0.0/8:443',
      TRAWLER_ALLOWED_PROXIES: 'proxy.b:3128',
      TRAWLER_CRAWLER_USER: '65532',
      TRAWLER_ALLOWED_POD_FIELDS: DEFAULT_POD_FIELDS.join(','),
      TRAWLER_BROWSER_SECCOMP_PROFILE: 'trawler/chromium.json',
      TRAWLER_RECONCILERS: '32',
      TRAWLER_QUEUES: '{"nightly":{"maxActiveRuns":3}}',
      TRAWLER_MAX_ACTIVE_RUNS: '20',
      TRAWLER_MAX_ACTIVE_RUNS_PER_NAMESPACE: '5',
      TRAWLER_LOG_LEVEL: 'debug',
    });
  });

  test('traces are off, and the operator is told where they go once they are on', async () => {
    const tracing = async (...values: string[]) => {
      const { TRAWLER_TRACES_URL: url, TRAWLER_TRACED_PAGES: pages } = environment(
        await render(OWN_DATABASE, ...values),
      );
      return { url, pages };
    };
    expect(await tracing()).toEqual({});
    const url = 'http://collector:4318';
    expect(await tracing(`tracing.url=${url}`)).toEqual({ url, pages: '0.1' });
    expect(await tracing(`tracing.url=${url}`, 'tracing.pages=1')).toEqual({ url, pages: '1' });
  });

  test('a cluster that assigns users gets none to refuse', async () => {
    const values = [OWN_DATABASE, 'operator.user=Assigned', 'crawler.user=Assigned'];
    const deployment = one(await render(...values), 'Deployment', 'trawler-operator');
    expect(deployment.spec.template.spec.securityContext).toEqual({
      runAsNonRoot: true,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(container(deployment).env).toContainEqual({ name: 'TRAWLER_CRAWLER_USER', value: 'Assigned' });
  });

  test("the database's certificate authority is mounted from its Secret, where there is one", async () => {
    const deployment = async (...values: string[]) =>
      one(await render(OWN_DATABASE, ...values), 'Deployment', 'trawler-operator');
    const own = await deployment('database.caSecret=db-ca', 'database.caKey=authority.pem');
    expect(container(own).env).toContainEqual({
      name: 'TRAWLER_DATABASE_CA_FILE',
      value: '/run/trawler-database/ca.crt',
    });
    const mount = { name: 'database-ca', mountPath: '/run/trawler-database', readOnly: true };
    expect(container(own).volumeMounts).toContainEqual(mount);
    const secret = { secretName: 'db-ca', items: [{ key: 'authority.pem', path: 'ca.crt' }] };
    expect(own.spec.template.spec.volumes).toContainEqual({ name: 'database-ca', secret });
    expect(JSON.stringify(await deployment())).not.toContain('database-ca');
  });

  test('the evaluation Postgres has one password, under a name that every namespace can resolve', async () => {
    const { stringData = {} } = one(await render(EVALUATION), 'Secret', 'trawler-postgres');
    const host = 'trawler-postgres.trawler-system.svc.cluster.local:5432';
    expect(stringData['password']).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(stringData['url']).toBe(`postgres://trawler:${stringData['password']}@${host}/trawler`);
  });

  test('several operators are spread and guarded against being drained at once, a single one is not', async () => {
    const single = (await render(OWN_DATABASE)).filter(({ metadata }) => metadata.name === 'trawler-operator');
    const several = await render(OWN_DATABASE, 'operator.replicas=2');
    expect(single.filter(({ kind }) => kind === 'PodDisruptionBudget')).toEqual([]);
    expect(one(several, 'PodDisruptionBudget', 'trawler-operator').spec).toMatchObject({
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    });
    expect(one(several, 'Deployment', 'trawler-operator').spec.template.spec.topologySpreadConstraints).toHaveLength(1);
  });

  test('with a list of namespaces the operator has rights there and in its own only', async () => {
    const everywhere = await render(OWN_DATABASE);
    const listed = await render(OWN_DATABASE, 'operator.watchNamespaces={red,blue}');
    const rolesOf = (manifests: Manifest[], kind: string) =>
      manifests
        .filter((manifest) => manifest.kind === kind && manifest.metadata.name.startsWith('trawler-operator'))
        .map(({ metadata }) => metadata.namespace);
    expect(rolesOf(everywhere, 'ClusterRole')).toHaveLength(1);
    // A worker on a lost node has to be found everywhere.
    expect(one(listed, 'ClusterRole', 'trawler-operator')['rules']).toEqual([
      { apiGroups: [''], resources: ['nodes'], verbs: ['get'] },
    ]);
    expect(rolesOf(listed, 'ClusterRoleBinding')).toHaveLength(1);
    expect(rolesOf(listed, 'Role').sort()).toEqual(['blue', 'red', 'trawler-system']);
    expect(rolesOf(listed, 'RoleBinding').sort()).toEqual(['blue', 'red', 'trawler-system']);
    expect(environment(listed)).toMatchObject({ TRAWLER_WATCH_NAMESPACES: 'red,blue' });
    await expect(render(OWN_DATABASE, 'operator.watchNamespaces={Red}')).rejects.toThrow('watchNamespaces');
  });

  test('the data of the evaluation Postgres is in the pod, or in a claim', async () => {
    const volumes = (manifests: Manifest[]) =>
      one(manifests, 'StatefulSet', 'trawler-postgres').spec.template.spec.volumes.map(({ name }) => name);
    expect(volumes(await render(EVALUATION))).toContain('data');
    const kept = await render(EVALUATION, 'postgres.persistence.enabled=true', 'postgres.persistence.size=2Gi');
    expect(volumes(kept)).not.toContain('data');
    expect(one(kept, 'StatefulSet', 'trawler-postgres').spec['volumeClaimTemplates']).toMatchObject([
      { metadata: { name: 'data' }, spec: { resources: { requests: { storage: '2Gi' } } } },
    ]);
  });
});

describe('the API server', () => {
  test('is there where it is switched on, with rights over schedules and runs, and its login as a file', async () => {
    const named = (manifests: Manifest[]) => manifests.filter(({ metadata }) => metadata.name === 'trawler-server');
    expect(named(await render(EVALUATION))).toEqual([]);
    const manifests = await render(EVALUATION, 'server.enabled=true', 'server.replicas=3');
    expect(
      named(manifests)
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual([
      ...['ClusterRole', 'ClusterRoleBinding', 'Deployment', 'Role', 'RoleBinding', 'Service', 'ServiceAccount'],
    ]);
    const deployment = one(manifests, 'Deployment', 'trawler-server');
    expect(deployment.spec['replicas']).toBe(3);
    expect(container(deployment).args).toEqual(['server']);
    const own = one(manifests, 'Role', 'trawler-operator').rules ?? [];
    expect(own.flatMap(({ resourceNames = [] }) => resourceNames)).toContain('trawler-server-login');
    const rules = one(manifests, 'ClusterRole', 'trawler-server').rules ?? [];
    const rights = rules.flatMap(({ apiGroups, resources, verbs }) =>
      resources.map((resource) => [[...apiGroups.filter(Boolean), resource].join('/'), verbs.join(' ')]),
    );
    expect(Object.fromEntries(rights)).toEqual({
      'authentication.k8s.io/tokenreviews': 'create',
      'authorization.k8s.io/subjectaccessreviews': 'create',
      'trawler.dev/crawlschedules': 'get list watch create update patch delete',
      'trawler.dev/crawlruns': 'get list watch create patch delete',
      'trawler.dev/crawlbackfills': 'get list create patch',
      'events.k8s.io/events': 'create patch',
      pods: 'list',
      events: 'list',
    });
  });

  test('is reached through the proxy of its Service by the groups that are named, or by nobody', async () => {
    const named = await render(EVALUATION, 'server.enabled=true', 'server.callers={crawl-team}');
    const role = one(named, 'Role', 'trawler-server-callers');
    expect(role.rules).toMatchObject([{ resources: ['services/proxy'], resourceNames: ['trawler-server:http'] }]);
    expect(one(named, 'RoleBinding', 'trawler-server-callers')).toMatchObject({ subjects: [{ name: 'crawl-team' }] });
    const nobody = await render(EVALUATION, 'server.enabled=true');
    expect(nobody.filter(({ metadata }) => metadata.name === 'trawler-server-callers')).toEqual([]);
  });
});

describe('the gateway', () => {
  const gateway = async (...values: string[]) => one(await render(...values), 'Deployment', 'trawler-gateway');
  const variables = (manifest: Manifest) =>
    Object.fromEntries(container(manifest).env.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]));

  test('gets its login and its certificate as files, and no right in the cluster', async () => {
    const deployment = await gateway(EVALUATION);
    expect(container(deployment).args).toEqual(['gateway']);
    expect(variables(deployment)).toEqual({
      TRAWLER_DATABASE_URL_FILE: '/run/trawler-gateway/database/url',
      TRAWLER_DATABASE_SCHEMA: 'trawler',
      TRAWLER_GATEWAY_PORT: '8443',
      TRAWLER_GATEWAY_TLS_CERT_FILE: '/run/trawler-gateway/tls/tls.crt',
      TRAWLER_GATEWAY_TLS_KEY_FILE: '/run/trawler-gateway/tls/tls.key',
      TRAWLER_GATEWAY_POOL_SIZE: '8',
      TRAWLER_LOG_LEVEL: 'info',
    });
    const { automountServiceAccountToken, volumes } = deployment.spec.template.spec;
    expect(automountServiceAccountToken).toBe(false);
    const secrets = volumes.flatMap(({ secret }) => secret ?? []);
    expect(secrets).toEqual([
      { secretName: 'trawler-gateway-login', defaultMode: 0o440, items: [{ key: 'url', path: 'url' }] },
      {
        secretName: 'trawler-gateway-tls',
        defaultMode: 0o440,
        // Not ca.key.
        items: [
          { key: 'tls.crt', path: 'tls.crt' },
          { key: 'tls.key', path: 'tls.key' },
        ],
      },
    ]);
  });

  test('and the operator alone know the database: no other object of the chart names its Secret', async () => {
    const manifests = await render(EVALUATION);
    const holders = manifests.filter((manifest) => JSON.stringify(manifest).includes('trawler-postgres"'));
    const workloads = holders.filter(({ kind }) => ['Deployment', 'StatefulSet', 'Job', 'DaemonSet'].includes(kind));
    expect(workloads.map(({ metadata }) => metadata.name).toSorted()).toEqual(['trawler-operator', 'trawler-postgres']);
  });

  test('has a certificate of somebody else, or none', async () => {
    const existing = await render(EVALUATION, 'gateway.tls.existingSecret=issued');
    expect(environment(existing)).toMatchObject({
      TRAWLER_GATEWAY_TLS_SECRET: 'issued',
      TRAWLER_GATEWAY_TLS_MANAGED: 'false',
    });
    const secretNames = (manifests: Manifest[]) =>
      manifests.filter(({ kind }) => kind === 'Secret').map(({ metadata }) => metadata.name);
    expect(secretNames(existing)).not.toContain('trawler-gateway-tls');
    expect(secretNames(await render(EVALUATION))).toContain('trawler-gateway-tls');

    const off = await render(EVALUATION, 'gateway.tls.enabled=false');
    expect(environment(off)['TRAWLER_GATEWAY_URL']).toBe('http://trawler-gateway.trawler-system.svc:8443');
    expect(JSON.stringify(off)).not.toMatch(/TLS|gateway-tls/);
  });

  test('is scaled by hand or by CPU, and its login may have what all replicas need', async () => {
    const byCpu = await render(EVALUATION, 'gateway.autoscaling.enabled=true', 'gateway.poolSize=10');
    expect(one(byCpu, 'HorizontalPodAutoscaler', 'trawler-gateway').spec).toMatchObject({
      minReplicas: 2,
      maxReplicas: 6,
    });
    expect(one(byCpu, 'Deployment', 'trawler-gateway').spec['replicas']).toBeUndefined();
    expect(environment(byCpu)['TRAWLER_GATEWAY_CONNECTIONS']).toBe('144');
    expect(one(byCpu, 'PodDisruptionBudget', 'trawler-gateway').spec['maxUnavailable']).toBe(1);

    const single = await render(EVALUATION, 'gateway.replicas=1');
    expect(one(single, 'Deployment', 'trawler-gateway').spec['replicas']).toBe(1);
    expect(single.filter(({ kind }) => kind === 'PodDisruptionBudget')).toEqual([]);
  });
});

describe('network policies', () => {
  const policies = async (...values: string[]) =>
    (await render(...values))
      .filter(({ kind }) => kind === 'NetworkPolicy')
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);

  test('are there for the parts that are installed and the namespaces that are known', async () => {
    expect(await policies(OWN_DATABASE)).toEqual(['trawler-system/trawler-gateway']);
    expect(
      (
        await policies(
          EVALUATION,
          'operator.watchNamespaces={red,blue}',
          'networkPolicy.crawlerNamespaces={blue,green}',
        )
      ).toSorted(),
    ).toEqual([
      'blue/trawler-crawler',
      'green/trawler-crawler',
      'red/trawler-crawler',
      'trawler-system/trawler-gateway',
      'trawler-system/trawler-postgres',
    ]);
    expect(await policies(EVALUATION, 'networkPolicy.enabled=false')).toEqual([]);
  });

  test('leave crawler pods DNS, the gateway and what is public', async () => {
    const manifests = await render(EVALUATION, 'networkPolicy.crawlerNamespaces={red}');
    const { egress, ingress } = one(manifests, 'NetworkPolicy', 'trawler-crawler').spec as unknown as {
      egress: { to?: { ipBlock?: { except: string[] } }[]; ports?: object[] }[];
      ingress: object[];
    };
    expect(ingress).toEqual([]);
    const [dns, gateway, web] = egress;
    expect(egress).toHaveLength(3);
    expect(dns?.ports).toEqual([
      { port: 53, protocol: 'UDP' },
      { port: 53, protocol: 'TCP' },
    ]);
    expect(gateway?.ports).toEqual([{ port: 'workers', protocol: 'TCP' }]);
    expect(web?.to?.flatMap(({ ipBlock }) => ipBlock?.except ?? [])).toEqual(
      expect.arrayContaining(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', 'fc00::/7']),
    );
  });

  test('let nobody but operator and gateway to the evaluation Postgres', async () => {
    const { spec } = one(await render(EVALUATION), 'NetworkPolicy', 'trawler-postgres');
    expect(spec['ingress']).toEqual([
      {
        from: ['operator', 'gateway'].map((component) => ({
          podSelector: {
            matchLabels: {
              'app.kubernetes.io/name': 'trawler',
              'app.kubernetes.io/instance': 'trawler',
              'app.kubernetes.io/component': component,
            },
          },
        })),
        ports: [{ protocol: 'TCP', port: 'postgres' }],
      },
    ]);
  });
});

describe('CRDs', () => {
  const crds = (manifests: Manifest[]) => manifests.filter(({ kind }) => kind === 'CustomResourceDefinition');

  test('are those of crds/, and stay when the release goes', async () => {
    const files = await readdir(join(projectRoot, 'crds'));
    const sources = await Promise.all(files.map((file) => readFile(join(projectRoot, 'crds', file), 'utf8')));
    const rendered = crds(await render(OWN_DATABASE));
    expect(rendered).toHaveLength(sources.length);
    for (const source of sources.flatMap(parse)) {
      const { spec, metadata } = one(rendered, 'CustomResourceDefinition', source.metadata.name);
      expect(spec).toEqual(source.spec);
      expect(metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
    }
  });

  test('are left to somebody else, or go with the release, where the values say so', async () => {
    expect(crds(await render(OWN_DATABASE, 'crds.install=false'))).toEqual([]);
    for (const { metadata } of crds(await render(OWN_DATABASE, 'crds.keep=false'))) {
      expect(metadata.annotations).toBeUndefined();
    }
  });
});

describe("the operator's rights", () => {
  const rules = async () => {
    const manifests = await render(EVALUATION);
    const cluster = one(manifests, 'ClusterRole', 'trawler-operator').rules ?? [];
    const own = one(manifests, 'Role', 'trawler-operator').rules ?? [];
    return { cluster, own };
  };

  test('are these and no more', async () => {
    const { cluster, own } = await rules();
    const flat = (list: typeof cluster) =>
      Object.fromEntries(
        list.flatMap(({ apiGroups, resources, verbs }) =>
          apiGroups.flatMap((group) =>
            resources.map((resource) => [`${group}/${resource}`, verbs.toSorted().join(' ')]),
          ),
        ),
      );
    expect(flat(cluster)).toEqual({
      'trawler.dev/crawlschedules': 'get list watch',
      'trawler.dev/crawlruns': 'create delete get list patch watch',
      'trawler.dev/crawlbackfills': 'get list watch',
      'trawler.dev/crawlschedules/status': 'patch',
      'trawler.dev/crawlbackfills/status': 'patch',
      'trawler.dev/crawlruns/status': 'patch',
      'trawler.dev/crawlschedules/finalizers': 'update',
      'trawler.dev/crawlruns/finalizers': 'update',
      'batch/jobs': 'create delete get list patch watch',
      '/events': 'list',
      '/nodes': 'get',
      '/pods': 'delete list watch',
      '/pods/status': 'patch',
      '/secrets': 'create delete get',
      '/persistentvolumeclaims': 'get',
      'events.k8s.io/events': 'create patch',
    });
    expect(own.filter(({ resources }) => resources.includes('secrets'))).toEqual([
      {
        apiGroups: [''],
        resources: ['secrets'],
        resourceNames: ['trawler-gateway-login', 'trawler-gateway-tls', 'trawler-gateway-tls-authority'],
        verbs: ['get', 'patch'],
      },
      { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
    ]);
    expect(flat(own.filter(({ resources }) => !resources.includes('secrets')))).toEqual({
      'coordination.k8s.io/leases': 'create get update',
      'events.k8s.io/events': 'create patch',
    });
  });
});

describe('manifests/install.yaml', () => {
  test('is what the chart renders', async () => {
    expect(await readFile(join(projectRoot, 'manifests', 'install.yaml'), 'utf8')).toBe(await renderInstall());
  });

  test('names released images and its own namespace alone', async () => {
    const manifests = parse(await renderInstall());
    const namespaces = new Set(
      manifests.map(({ metadata }) => metadata.namespace).filter((name) => name !== undefined),
    );
    expect([...namespaces]).toEqual(['trawler-system']);
    expect(JSON.stringify(manifests).match(/localhost|:dev\b/g)).toBeNull();
    expect(manifests[0]).toMatchObject({
      kind: 'Namespace',
      metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    });
  });
});
