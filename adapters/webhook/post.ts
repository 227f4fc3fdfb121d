import type { Pool } from "undici"

export interface Reply {
  readonly status: number
  readonly body: string
}

/** No whole answer came. `detail` is for the log: it holds neither body nor secret. */
export class NoReply {
  readonly reason: "late" | "stopped" | "too_large" | "not_text" | "unreachable"
  readonly detail: string

  constructor(reason: NoReply["reason"], detail: string) {
    this.reason = reason
    this.detail = detail
  }
}

const MAX_TIMER_MS = 2 ** 31 - 1

const decode = (chunks: readonly Uint8Array[], bytes: number): string => {
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(whole)
}

/**
 * Sends one POST and reads the answer whole, of at most `maxBytes`. Redirects are answers like any other. Never rejects;
 * after `timeoutMs` or when `signal` is aborted the connection is given up.
 */
export const post = async (
  pool: Pool,
  path: string,
  headers: Record<string, string>,
  body: string,
  bounds: { readonly timeoutMs: number; readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<Reply | NoReply> => {
  const { maxBytes, signal } = bounds
  const timeoutMs = Math.min(bounds.timeoutMs, MAX_TIMER_MS)
  const controller = new AbortController()
  let given: NoReply | undefined
  const giveUp = (why: NoReply): void => {
    given ??= why
    controller.abort()
  }
  const stop = (): void => giveUp(new NoReply("stopped", "nobody waits for the answer any more"))
  const timer = setTimeout(() => giveUp(new NoReply("late", `no answer within ${timeoutMs} ms`)), timeoutMs)
  signal.addEventListener("abort", stop, { once: true })
  if (signal.aborted) stop()
  try {
    const response = await pool.request({
      method: "POST",
      path,
      headers,
      body,
      signal: controller.signal,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    })
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      // Leaving the loop destroys the body, and with it the connection: nothing more of it is read.
      if (bytes > maxBytes)
        return new NoReply("too_large", `answered ${response.statusCode} with more than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
    try {
      return { status: response.statusCode, body: decode(chunks, bytes) }
    } catch {
      return new NoReply("not_text", `answered ${response.statusCode} with a body that is not UTF-8`)
    }
  } catch (error) {
    return given ?? new NoReply("unreachable", error instanceof Error ? error.message : String(error))
  } finally {
    clearTimeout(timer)
    signal.removeEventListener("abort", stop)
  }
}
