/** Typed events, small enough for every runtime. */

/** Calls back for each event of a type, until the returned function is called. */
export interface Events<Map extends object> {
  /** Calls `listener` for each event of that type, until the returned function is called. */
  on<Type extends keyof Map>(type: Type, listener: (event: Map[Type]) => void): () => void;
}

/** Keeps listeners. One that throws does not keep the others from being told: its error surfaces as unhandled. */
export class Emitter<Map extends object> implements Events<Map> {
  readonly #listeners = new globalThis.Map<keyof Map, Set<(event: never) => void>>();

  on<Type extends keyof Map>(type: Type, listener: (event: Map[Type]) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    // Wrapped, so that one function given twice is called twice and removed once.
    const entry = (event: Map[Type]): void => {
      listener(event);
    };
    listeners.add(entry);
    return () => listeners.delete(entry);
  }

  /** Whether anybody would be told. */
  has(type: keyof Map): boolean {
    return (this.#listeners.get(type)?.size ?? 0) > 0;
  }

  emit<Type extends keyof Map>(type: Type, event: Map[Type]): void {
    for (const listener of this.#listeners.get(type) ?? []) {
      try {
        (listener as (event: Map[Type]) => void)(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
