import type { Json, JsonObject } from './batch.js'

/**
 * One patch that does what `first` and then `second` do (RFC 7396): members of objects are merged, and a
 * null stays, since it is what removes a member from the row. There is no such patch where an object follows what is
 * none: `{"a":1}` and then `{"a":{"b":1}}` leave in the row what other members its `a` may have had before.
 */
export function mergePatch(first: JsonObject | undefined, second: JsonObject): JsonObject {
  if (first === undefined) return second
  const merged = new Map<string, Json>(Object.entries(first))
  for (const [name, value] of Object.entries(second)) {
    const before = merged.get(name)
    merged.set(name, isObject(before) && isObject(value) ? mergePatch(before, value) : value)
  }
  return Object.fromEntries(merged)
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
