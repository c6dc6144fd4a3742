// What development asks of a Kubernetes cluster, whoever runs it.
import type { ImageSource } from '../images/catalog.ts';
import type { Step } from '../steps.ts';

/** The steps are run by runSteps. */
export interface Cluster {
  kubeconfig: string;
  /** Made by us, for us alone: it may be removed as a whole. */
  ours: boolean;
  /** Where the API server notes what Trawler's service accounts asked for, one JSON event a line; absent: nowhere we can read. */
  auditLog?: string;
  up(): Step[];
  down(): Step[];
  /** What makes its network enforce NetworkPolicies, and ends that; absent where we know of no such switch. */
  networkPolicies?: { enforce: Step[]; stop: Step[] };
  /** A second node, labelled and tainted: brings it up, also after its death, lets it die, removes it; absent where we can make none. */
  secondNode?: { up: Step[]; kill: (signal: AbortSignal) => Promise<void>; down: Step[] };
  /** Makes images that have been built available to the cluster's pods. */
  deliverImages(wanted: ImageSource[]): Step[];
  /** What pods call an image. */
  reference(image: ImageSource): string;
  status(signal: AbortSignal): Promise<{ up: boolean; lines: string[] }>;
  /** Paths of the log files of the named programs, or of all. */
  logs(names: string[]): string[];
}
