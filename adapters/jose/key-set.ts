import * as Data from "effect/Data"
import { createRemoteJWKSet, customFetch, errors } from "jose"
import { PUBLIC_ALGORITHMS, type TokenKeys } from "./token-keys.ts"

/** Nothing is known of the token, for the key set could not be had. One failed fetch gives one `cause` object. */
export class KeysUnavailable extends Data.TaggedError("KeysUnavailable")<{ readonly cause: unknown }> {}

export const MAX_KEY_SET_BYTES = 1_048_576

export interface KeySetTimes {
  readonly timeoutMs: number
  /** From a fetch to the next one that an unknown key id may cause. */
  readonly cooldownMs: number
  readonly maxAgeMs: number
  /** From a failed fetch to the next one: a storm of connects is no storm of fetches. */
  readonly retryMs: number
}

export const KEY_SET_TIMES: KeySetTimes = { timeoutMs: 5_000, cooldownMs: 30_000, maxAgeMs: 600_000, retryMs: 1_000 }

const readBounded = async (response: Response): Promise<Response> => {
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > MAX_KEY_SET_BYTES) throw new Error(`the key set has more than ${MAX_KEY_SET_BYTES} bytes`)
    chunks.push(chunk)
  }
  return new Response(new Blob(chunks), { status: response.status })
}

/**
 * The key set (RFC 7517) at a URL: fetched when first needed, when it is old, and when a token names a key that it does
 * not have. Fetches never overlap. All that goes wrong but "no such key" is `KeysUnavailable`.
 */
export const keySetAt = (url: URL, times: KeySetTimes): TokenKeys => {
  let failed: { readonly cause: unknown; readonly at: number } | undefined
  const keySet = createRemoteJWKSet(url, {
    timeoutDuration: times.timeoutMs,
    cooldownDuration: times.cooldownMs,
    cacheMaxAge: times.maxAgeMs,
    [customFetch]: async (address, options) => {
      if (failed !== undefined && Date.now() < failed.at + times.retryMs) throw failed.cause
      const response = await fetch(address, options)
      if (response.status === 200) return readBounded(response)
      await response.body?.cancel()
      throw new Error(`its URL answered with status ${response.status}`)
    },
  })
  return {
    algorithms: PUBLIC_ALGORITHMS,
    keyOf: async (header, token) => {
      try {
        return await keySet(header, token)
      } catch (cause) {
        if (cause instanceof errors.JWKSNoMatchingKey || cause instanceof errors.JWKSMultipleMatchingKeys) throw cause
        if (cause !== failed?.cause) failed = { cause, at: Date.now() }
        throw new KeysUnavailable({ cause })
      }
    },
  }
}
