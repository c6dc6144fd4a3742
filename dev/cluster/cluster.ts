// What development asks of a Kubernetes cluster, whoever runs it.
import type { ImageSource } from '../images/catalog.ts';
import type { Step } from '../steps.ts';

/** The steps are run by runSteps. */
export interface Cluster {
  kubeconfig: string;
  up(): Step[];
  down(): Step[];
  /** Builds the images and makes them available to the cluster's pods. */
  images(wanted: ImageSource[]): Step[];
  /** What pods call an image. */
  reference(image: ImageSource): string;
  status(signal: AbortSignal): Promise<{ up: boolean; lines: string[] }>;
  /** Paths of the log files of the named programs, or of all. */
  logs(names: string[]): string[];
}
