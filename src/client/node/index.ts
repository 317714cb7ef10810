/**
 * What a client has in Node alone.
 *
 * @packageDocumentation
 */
export { dial } from './dial.ts';
export { fileStore } from './fileStore.ts';
