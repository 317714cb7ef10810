/** The vector files, as tests read them. */
import { readFileSync } from 'node:fs';

/** A vector: what a test looks into, it names and converts itself. */
export interface Vector {
  readonly [name: string]: unknown;
}

/** A file of this folder. */
export function vectors(name: string): Vector {
  return JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), 'utf8')) as Vector;
}

/** A field that is text. */
export function text(vector: Vector, name: string): string {
  const value = vector[name];
  if (typeof value !== 'string') throw new Error(`${name} is no text`);
  return value;
}

/** A field that is bytes. */
export function bytes(vector: Vector, name: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text(vector, name), 'hex'));
}

/** A field that is a number. */
export function number(vector: Vector, name: string): number {
  const value = vector[name];
  if (typeof value !== 'number') throw new Error(`${name} is no number`);
  return value;
}

/** A field that is an object. */
export function part(vector: Vector, name: string): Vector {
  const value = vector[name];
  if (typeof value !== 'object' || value === null) throw new Error(`${name} is no object`);
  return value as Vector;
}

/** A field that is a list of objects. */
export function list(vector: Vector, name: string): readonly Vector[] {
  const value = vector[name];
  if (!Array.isArray(value)) throw new Error(`${name} is no list`);
  return value as readonly Vector[];
}

/** A field that is a list of texts. */
export function texts(vector: Vector, name: string): readonly string[] {
  return list(vector, name) as unknown as readonly string[];
}
