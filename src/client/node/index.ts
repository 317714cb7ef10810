/**
 * What a client has in Node alone.
 *
 * @packageDocumentation
 */
export { dial } from './dial.ts';
