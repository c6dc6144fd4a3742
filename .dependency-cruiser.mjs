// Imports point one way: resources, schedule and kube know nothing of each other but that schedule may read resources;
// store and custom-resources know those; controllers, crawler and server use those; the programs in operator/ and crawler-image/ wire them together.

/** A folder of src and the folders of src that it may import from. */
const allowed = {
  telemetry: ['telemetry'],
  formats: ['formats'],
  resources: ['resources'],
  schedule: ['schedule', 'resources'],
  kube: ['kube', 'telemetry'],
  'custom-resources': ['custom-resources', 'kube', 'resources'],
  gateway: ['gateway', 'store', 'resources', 'telemetry'],
  store: ['store', 'crawler/urls', 'gateway/protocol', 'resources', 'telemetry'],
  controllers: [
    'controllers',
    'crawler/network',
    'custom-resources',
    'gateway/protocol',
    'kube',
    'notifications',
    'store',
    'schedule',
    'resources',
    'telemetry',
  ],
  crawler: ['crawler', 'formats', 'gateway/protocol', 'resources', 'telemetry'],
  notifications: ['notifications', 'crawler/network', 'store', 'resources', 'telemetry'],
  local: ['local', 'crawler', 'gateway', 'store', 'resources', 'telemetry'],
  cli: [
    'cli',
    'local',
    'crawler/network',
    'store/release.ts',
    'formats',
    'custom-resources',
    'kube',
    'schedule',
    'server',
    'resources',
    'telemetry',
  ],
  server: [
    'server',
    'formats',
    'custom-resources',
    'gateway/protocol',
    'kube',
    'store',
    'schedule',
    'resources',
    'telemetry',
  ],
};

/** A room of src/crawler and the rooms beside it that it may import from; the files above them are for all. */
const rooms = {
  gateway: [],
  urls: [],
  html: ['urls'],
  network: ['urls'],
  blocking: ['html'],
  extraction: ['html', 'blocking', 'urls'],
  output: [],
  rendering: ['extraction', 'html', 'urls'],
  http: ['rendering', 'blocking', 'html', 'network', 'urls'],
  browser: ['rendering', 'blocking', 'html', 'network', 'urls'],
  discovery: ['rendering', 'http', 'html', 'network', 'urls'],
  page: ['discovery', 'rendering', 'extraction', 'blocking', 'html', 'network', 'urls'],
};

const crawlerRooms = Object.entries(rooms).map(([room, others]) => ({
  name: `crawler-${room}-imports`,
  severity: 'error',
  comment: `src/crawler/${room} imports only from ${['src/crawler', ...others].join(', ')}`,
  from: { path: `^src/crawler/${room}/` },
  to: { path: '^src/crawler/[a-z]+/', pathNot: `^src/crawler/(${[room, ...others].join('|')})/` },
}));

const layers = Object.entries(allowed).map(([folder, targets]) => ({
  name: `${folder}-imports`,
  severity: 'error',
  comment: `src/${folder} imports only from ${targets.join(', ')}`,
  from: { path: `^src/${folder}/` },
  to: { path: '^(src|operator|crawler-image|dev|tests)/', pathNot: `^src/(${targets.join('|')})(/|$)` },
}));

export default {
  forbidden: [
    ...layers,
    {
      name: 'gateway-protocol-imports',
      severity: 'error',
      comment: 'src/gateway/protocol is shared with the crawler: it imports only from src/resources',
      from: { path: '^src/gateway/protocol/' },
      to: { path: '^(src|operator|crawler-image|dev|tests)/', pathNot: '^src/(gateway/protocol|resources)/' },
    },
    ...crawlerRooms,
    {
      name: 'crawler-has-no-database',
      severity: 'error',
      comment: 'pods of the crawler reach a gateway: their image holds no client of PostgreSQL, by whatever detour',
      from: { path: '^(src/crawler|crawler-image)/' },
      to: { path: '(^|/)node_modules/(pg|pg-pool|kysely)/|^src/store/', reachable: true },
    },
    {
      name: 'plugin-knows-answers-alone',
      severity: 'error',
      comment: 'src/cli takes the types of answers from src/server, and none of its code',
      from: { path: '^src/cli/' },
      to: { path: '^src/server/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'traces-are-loaded-when-wanted',
      severity: 'error',
      comment: 'one file knows the library that sends traces, and is loaded by its URL alone',
      from: { path: '^(src|operator|crawler-image)/', pathNot: '^src/telemetry/otlp-traces' },
      to: { path: '(^|/)node_modules/@opentelemetry/|^src/telemetry/otlp-traces', dependencyTypesNot: ['type-only'] },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'product-never-imports-development',
      severity: 'error',
      from: { path: '^(src|operator|crawler-image)/' },
      to: { path: '^(dev|tests)/' },
    },
    {
      name: 'tests-connect-by-their-support',
      severity: 'error',
      comment: 'connections of tests come from tests/support/database-connections.ts, which outlive their server',
      from: { path: '^tests/', pathNot: '^tests/support/' },
      to: { path: '^node_modules/pg/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'product-uses-declared-dependencies',
      severity: 'error',
      from: { path: '^(src|operator|crawler-image)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // They find what they import in a cache of their own.
    exclude: { path: '^tests/bench/crawl/peers/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
