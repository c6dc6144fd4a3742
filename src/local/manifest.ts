// What a local crawl is made of: the CrawlSchedule or CrawlRun of a file, and the ConfigMaps and Secrets beside it.
import { LineCounter, parseAllDocuments } from 'yaml';
import { type CrawlRunSpec, crawlRunSpec, isPartialRetry } from '../resources/crawl-run.ts';
import { GROUP } from '../resources/group.ts';
import { checkResource, type Problem, RESOURCE_KINDS, type ResourceKind } from './resource-check.ts';

/** A file that cannot be crawled, with every problem that was found. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly problems: readonly Problem[];

  constructor(source: string, problems: readonly Problem[]) {
    super(problems.map(({ path, message }) => [source, path, message].filter(Boolean).join(': ')).join('\n'));
    this.problems = problems;
  }
}

/** Data of ConfigMaps and Secrets: `ConfigMap/name`, then key, then value. */
export type LocalData = ReadonlyMap<string, ReadonlyMap<string, Buffer>>;

export type Manifest = {
  /** Of the object. */
  readonly name: string;
  readonly spec: CrawlRunSpec;
  readonly data: LocalData;
};

type Document = Readonly<Record<string, unknown>>;

/**
 * Reads one CrawlSchedule or CrawlRun, and the ConfigMaps and Secrets that it names.
 * @param source names the text in messages
 * @throws ManifestError
 */
export function readManifest(text: string, source: string): Manifest {
  const documents = parseDocuments(text, source);
  const crawls = documents.filter(({ kind }) => kind !== 'ConfigMap' && kind !== 'Secret' && kind !== 'Namespace');
  const [crawl] = crawls;
  if (crawl === undefined || crawls.length > 1) {
    const message = `must hold one CrawlSchedule or CrawlRun, and holds ${crawls.length}`;
    throw new ManifestError(source, [{ path: '', message }]);
  }
  const problems = checkResource(crawl, CRAWLS);
  if (problems.length > 0) throw new ManifestError(source, problems);
  const spec = crawlRunSpec.parse(crawlPart(crawl));
  const { trigger } = spec;
  if (isPartialRetry(trigger)) {
    const message = `a retry of a part of run "${trigger.retryOf}" takes what the cluster keeps of it: leave spec.trigger out to crawl all of it here`;
    throw new ManifestError(source, [{ path: 'spec.trigger', message }]);
  }
  return { name: nameOf(crawl), spec, data: dataOf(documents, source) };
}

export type LintedResource = {
  /** Kind and name. */
  readonly name: string;
  /** As it was given. */
  readonly spec: unknown;
  readonly problems: readonly Problem[];
};

/**
 * Every CrawlSchedule, CrawlRun and CrawlBackfill of a text with what the API server would refuse in it; other kinds are left out.
 * @param source names the text in messages
 * @throws ManifestError for what is no YAML
 */
export function lintResources(text: string, source: string): LintedResource[] {
  return parseDocuments(text, source)
    .filter(
      ({ apiVersion, kind }) =>
        String(apiVersion).startsWith(`${GROUP}/`) || RESOURCE_KINDS.some((one) => one === kind),
    )
    .map((document) => ({
      name: `${document['kind']} ${nameOf(document)}`,
      spec: document['spec'],
      problems: checkResource(document, RESOURCE_KINDS),
    }));
}

/** What can be crawled on one machine. */
const CRAWLS: readonly ResourceKind[] = ['CrawlSchedule', 'CrawlRun'];

function parseDocuments(text: string, source: string): Document[] {
  const lineCounter = new LineCounter();
  return parseAllDocuments(text, { lineCounter }).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw new ManifestError(source, [{ path: '', message: error.message }]);
    const content: unknown = document.toJS();
    if (content === null) return [];
    if (typeof content !== 'object' || Array.isArray(content)) {
      throw new ManifestError(source, [{ path: '', message: 'a document must be an object with apiVersion and kind' }]);
    }
    return [content as Document];
  });
}

function crawlPart({ kind, spec }: Document): unknown {
  return kind === 'CrawlRun' ? spec : (spec as { runTemplate: { spec: unknown } }).runTemplate.spec;
}

function nameOf({ metadata }: Document): string {
  const { name, generateName } = (metadata ?? {}) as { name?: unknown; generateName?: unknown };
  return String(name ?? generateName ?? 'crawl').slice(0, 52);
}

function dataOf(documents: readonly Document[], source: string): LocalData {
  const data = new Map<string, ReadonlyMap<string, Buffer>>();
  for (const document of documents) {
    const kind = String(document['kind']);
    if (kind !== 'ConfigMap' && kind !== 'Secret') continue;
    const isSecret = kind === 'Secret';
    const plain = entries(document, isSecret ? 'stringData' : 'data', source);
    const encoded = entries(document, isSecret ? 'data' : 'binaryData', source);
    data.set(
      `${kind}/${nameOf(document)}`,
      new Map([
        ...encoded.map(([key, value]) => [key, Buffer.from(value, 'base64')] as const),
        ...plain.map(([key, value]) => [key, Buffer.from(value, 'utf8')] as const),
      ]),
    );
  }
  return data;
}

function entries(document: Document, field: string, source: string): [key: string, value: string][] {
  return Object.entries((document[field] ?? {}) as Record<string, unknown>).map(([key, value]) => {
    if (typeof value === 'string') return [key, value];
    throw new ManifestError(source, [{ path: `${document['kind']} ${field}.${key}`, message: 'must be text' }]);
  });
}
