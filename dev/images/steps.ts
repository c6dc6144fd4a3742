// Building images as steps: the base image, then every image beside the others.
import { contexts } from '../build.ts';
import type { Step } from '../steps.ts';
import { buildImage } from './build.ts';
import type { ImageSource } from './catalog.ts';
import { findEngine } from './engine.ts';

export function buildSteps(images: ImageSource[]): Step[] {
  return [
    {
      title: 'Base image',
      timeoutSeconds: 600,
      fix: 'the mirror of Debian that /etc/apt/sources.list names must be reachable',
      run: async (context) => {
        const engine = await findEngine(context.signal);
        await engine.prepare(context);
        return `with ${engine.name}`;
      },
    },
    {
      title: 'Build the images',
      concurrent: true,
      steps: images.map(buildStep),
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
