// Building images as steps: the base image, then every image beside the others.
import { contexts } from '../build.ts';
import type { Step } from '../steps.ts';
import { buildImage } from './build.ts';
import type { ImageSource } from './catalog.ts';
import { findEngine } from './engine.ts';

/** Steps that build the images; `then` adds what is done with each as soon as it is built. */
export function buildSteps(images: ImageSource[], then?: (image: ImageSource) => Step): Step[] {
  return [
    {
      title: 'Base image',
      timeoutSeconds: 600,
      fix: 'the mirror of Debian must be reachable (http://deb.debian.org)',
      run: async (context) => {
        const engine = await findEngine(context.signal);
        await engine.prepare(context);
        return `with ${engine.name}`;
      },
    },
    {
      title: 'Images',
      concurrent: true,
      steps: images.map((image) => ({
        title: `The ${image.name} image`,
        steps: [buildStep(image), ...(then ? [then(image)] : [])],
      })),
    },
  ];
}

function buildStep(image: ImageSource): Step {
  return {
    title: `Build the ${image.name} image`,
    timeoutSeconds: 900,
    run: async (context) => {
      await contexts[image.name]?.();
      const built = await buildImage(image, await findEngine(context.signal), context);
      return built ? undefined : 'unchanged';
    },
  };
}
