// Helm and kubectl for the chart's tests, and what they print as objects.
import { join } from 'node:path';
import { execa } from 'execa';
import { parseAllDocuments } from 'yaml';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../../dev/setup/paths.mjs';

export const chart = join(projectRoot, 'helm', 'trawler');

/** As much of a Kubernetes object as the tests look at. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  rules?: Rule[];
  spec: Record<string, unknown> & { template: { spec: PodSpec } };
  stringData?: Record<string, string>;
}

export interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  resourceNames?: string[];
}

interface PodSpec {
  containers: Container[];
  volumes: { name: string; secret?: object }[];
  automountServiceAccountToken?: boolean;
  topologySpreadConstraints?: unknown[];
  securityContext?: object;
}

interface Container {
  image: string;
  imagePullPolicy: string;
  args: string[];
  env: { name: string; value?: string; valueFrom?: unknown }[];
  volumeMounts: object[];
}

/** Runs Helm; rejects with what it printed. */
export async function helm(...args: string[]): Promise<string> {
  return (await execa(binary('helm'), args)).stdout;
}

/** The chart's objects with the values given as `key=value`. */
export async function render(...values: string[]): Promise<Manifest[]> {
  const settings = values.map((value) => `--set=${value}`);
  return parse(await helm('template', 'trawler', chart, '--namespace=trawler-system', ...settings));
}

export function parse(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** The one object of a kind with this name. */
export function one(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  const [manifest] = found;
  if (manifest === undefined || found.length > 1)
    throw new Error(`${found.length} objects are a ${kind} named ${name}`);
  return manifest;
}

/** The only container of a Deployment or StatefulSet. */
export function container(manifest: Manifest): Container {
  const { containers } = manifest.spec.template.spec;
  const [first] = containers;
  if (first === undefined || containers.length > 1) throw new Error(`${containers.length} containers`);
  return first;
}
