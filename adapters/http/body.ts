import type { Context } from "hono"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { Env } from "./env.ts"

export type BodyRefusal = Refused<"invalid_json" | "invalid_request" | "payload_too_large" | "unsupported_media_type">

const utf8 = new TextDecoder("utf-8", { fatal: true })

const tooLarge = (limit: number): BodyRefusal => new Refusal("payload_too_large", `a body has at most ${limit} bytes`)

/** Counts as it reads, for a body that does not say its length. What is left unread is the server's to drain. */
const readCounting = async (body: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array | undefined> => {
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.length
    if (size > limit) return undefined
    chunks.push(value)
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

const readBytes = async (c: Context<Env>, limit: number): Promise<Uint8Array | undefined> => {
  const length = c.req.header("content-length")
  if (length !== undefined && c.req.header("transfer-encoding") === undefined) {
    if (!(Number(length) <= limit)) return undefined
    const bytes = new Uint8Array(await c.req.arrayBuffer())
    return bytes.length > limit ? undefined : bytes
  }
  const { body } = c.req.raw
  return body === null ? new Uint8Array(0) : readCounting(body, limit)
}

/** The body as it came, read once however often it is asked for; at most `bodyLimit` bytes of UTF-8. */
export const readText = async (c: Context<Env>): Promise<string | BodyRefusal> => {
  const known = c.get("text")
  if (known !== undefined) return known
  const limit = c.get("bodyLimit")
  let bytes: Uint8Array | undefined
  try {
    bytes = await readBytes(c, limit)
  } catch {
    return new Refusal("invalid_request", "the body broke off before its end")
  }
  if (bytes === undefined) return tooLarge(limit)
  try {
    const text = utf8.decode(bytes)
    c.set("text", text)
    return text
  } catch {
    return new Refusal("invalid_json", "the body is not UTF-8")
  }
}

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/
const CHARSET = /^\s*charset="?utf-?8"?\s*$/i

const typeFault = (c: Context<Env>): string | undefined => {
  const type = c.req.header("content-type")
  if (type === undefined) return "send JSON with Content-Type: application/json, found none"
  const [media = "", ...parameters] = type.split(";")
  if (!JSON_TYPE.test(media.trim().toLowerCase()))
    return `send JSON with Content-Type: application/json, found ${JSON.stringify(type.slice(0, 100))}`
  const charset = parameters.find((parameter) => /^\s*charset=/i.test(parameter))
  if (charset !== undefined && !CHARSET.test(charset)) return `JSON is UTF-8, found ${charset.trim().slice(0, 50)}`
  const encoding = c.req.header("content-encoding")
  if (encoding !== undefined && encoding.toLowerCase() !== "identity")
    return `a body is sent as it is, found Content-Encoding: ${encoding.slice(0, 50)}`
  return undefined
}

const parse = (text: string): { readonly value: unknown } | BodyRefusal => {
  if (text === "") return new Refusal("invalid_json", "the body is empty")
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined
    return new Refusal(
      "invalid_json",
      `the body is not JSON${position === undefined ? "" : `: see position ${position}`}`,
    )
  }
}

/** The body as JSON. */
export const readJson = async (c: Context<Env>): Promise<{ readonly value: unknown } | BodyRefusal> => {
  const fault = typeFault(c)
  if (fault !== undefined) return new Refusal("unsupported_media_type", fault)
  const text = await readText(c)
  return typeof text === "string" ? parse(text) : text
}
