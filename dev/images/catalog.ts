// The images of the project: what each is called, and what it is built from.
import { join } from 'node:path';
import { projectRoot } from '../setup/paths.mjs';

export interface ImageSource {
  name: string;
  /** Reference in the native cluster. The host `localhost` keeps a runtime from looking for it anywhere else. */
  reference: string;
  dockerfile: string;
  context: string;
}

function image(name: string, dockerfile: string, context: string): ImageSource {
  return {
    name,
    reference: `localhost/trawler-${name}:dev`,
    dockerfile: join(projectRoot, dockerfile),
    context: join(projectRoot, context),
  };
}

export const operatorImage = image('operator', 'operator/Dockerfile', 'build/operator');
export const crawlerImage = image('crawler', 'crawler-image/Dockerfile', 'build/crawler');
export const postgresImage = image('postgres', 'dev/images/postgres/Dockerfile', 'dev/images/postgres');
export const webImage = image('web', 'dev/images/web/Dockerfile', 'build/web');

/** Holds the namespaces of a pod; only the native cluster needs it. */
export const pauseImage = image('pause', 'dev/images/pause/Dockerfile', 'build/pause');

/** What a cluster needs for the operator, the demo site and the tests. */
export const images = [operatorImage, crawlerImage, postgresImage, webImage];
