import { payloadFault } from "#domain/payload.ts"

/** A handler gave something that is no JSON. Becomes `handler_failed`; the message is for the log. */
class ResultNotJson extends Error {
  override readonly name = "ResultNotJson"
}

const describe = (value: unknown): string | undefined => {
  switch (typeof value) {
    case "function":
    case "symbol":
    case "bigint":
      return `a ${typeof value}`
    case "number":
      return Number.isFinite(value) ? undefined : String(value)
    case "object": {
      if (value === null || Array.isArray(value)) return undefined
      const proto: unknown = Object.getPrototypeOf(value)
      return proto === Object.prototype || proto === null ? undefined : `a ${value.constructor.name}`
    }
    default:
      return undefined
  }
}

/** JSON.stringify drops functions and turns Maps into `{}` without a word; the replacer sees them after `toJSON`. */
const refuseOthers = (key: string, value: unknown): unknown => {
  const found = describe(value)
  if (found === undefined) return value
  throw new ResultNotJson(`a handler returns JSON, found ${found}${key === "" ? "" : ` in ${JSON.stringify(key)}`}`)
}

/**
 * A handler's result as plain JSON: undefined becomes null, members that are undefined are left out, what has a `toJSON`,
 * such as a Date, is asked. Throws ResultNotJson, or what JSON.stringify throws for a cycle.
 */
export const jsonResult = (result: unknown): unknown => {
  if (result === undefined) return null
  if (payloadFault(result, "") === undefined) return result
  const plain: unknown = JSON.parse(JSON.stringify(result, refuseOthers))
  const fault = payloadFault(plain, "")
  if (fault !== undefined) throw new ResultNotJson(fault.message)
  return plain
}
