/** Work that is done at once where it can be: no turn of the event loop is spent on what is synchronous. */

/** A value, now or later. */
export type MaybePromise<Value> = Value | Promise<Value>;

/** Goes on with a value: at once, or when it comes; a promise of another make becomes one of ours. */
export function andThen<Value, Next>(
  value: MaybePromise<Value>,
  next: (value: Value) => MaybePromise<Next>,
): MaybePromise<Next> {
  // oxlint-disable-next-line promise/no-callback-in-promise -- `next` is the rest of the work, not a callback of Node's kind
  return isPromise(value) ? Promise.resolve(value).then(next) : next(value);
}

/** What `work` gives, now or later; `recover` turns what it throws into another outcome. */
export function attempt<Value, Other>(
  work: () => MaybePromise<Value>,
  recover: (error: unknown) => Other,
): MaybePromise<Value | Other> {
  try {
    const value = work();
    return isPromise(value) ? Promise.resolve(value).catch(recover) : value;
  } catch (error) {
    return recover(error);
  }
}

// Not instanceof: promises of other realms, and a signer's own, count too.
function isPromise<Value>(value: MaybePromise<Value>): value is Promise<Value> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
