// The public face of the images.
export { builtInImages, extendImages, findImage, repositoryOf } from "./catalog.ts";
export { imageTag, inlineImage, programsOf, withTools, type ImageSpec } from "./image.ts";
