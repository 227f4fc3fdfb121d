import { parseDuration } from "#domain/duration.ts"
import type { Command } from "./command.ts"
import { type Flags, UsageError } from "./flags.ts"
import { gatewayUrl, unreachable } from "./gateway-flags.ts"
import { EXIT, type Io } from "./io.ts"

const help = `Usage: roomcast push <room> <event> [data] [flags]
       roomcast push <event> [data] --user <id> | --all [flags]

Pushes a message through the HTTP API and prints its answer. Data is JSON; - reads it from stdin.

  --user <id>            to every connection of this user, not to a room; may be repeated
  --all                  to everybody, not to a room
  --volatile             not kept; dropped where a client is behind
  --ttl <duration>       not replayed after it, such as 30s
  --ack <duration>       wait that long for the clients' answers and print them
  --idempotency-key <k>  repeat it and nothing is sent twice
  --url <url>            the gateway (ROOMCAST_URL; else http://127.0.0.1:8137)
  --key <key>            an API key with the scope publish (ROOMCAST_API_KEY)

Examples:
  roomcast push chat:1 message '{"text":"hello"}' --key rc_…
  roomcast push notice '"You have mail"' --user alice
  date +%s | roomcast push clock tick - --volatile

Exit codes: 0 accepted, 1 refused or out of reach, 2 wrong usage.`

const TIMEOUT_MS = 15_000
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** What fetch refuses in a header it shows, and a key is no text to be shown. */
const isHeaderText = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)
const HEADER_TEXT = "visible ASCII characters, without spaces or line ends"

const durationFlag = (flags: Flags, name: string): number | undefined => {
  const text = flags.text(name)
  if (text === undefined) return undefined
  const ms = parseDuration(text)
  if (ms === undefined || ms === 0)
    throw new UsageError(`--${name} takes a duration such as 500ms or 30s, found "${text}"`)
  return ms
}

const readData = async (text: string | undefined, io: Io): Promise<unknown> => {
  const json = text === "-" ? await io.readStdin() : text
  if (json === undefined) return undefined
  try {
    return JSON.parse(json)
  } catch {
    throw new UsageError(
      `data is JSON: text is written '"${text === "-" ? "…" : json.slice(0, 20)}"', an object '{"key":1}'`,
    )
  }
}

const readTarget = (flags: Flags): { readonly to: object; readonly rest: readonly string[] } => {
  const users = flags.all("user")
  if (users.length > 0 || flags.isOn("all"))
    return {
      to: { ...(users.length > 0 && { users }), ...(flags.isOn("all") && { all: true }) },
      rest: flags.positionals,
    }
  const [room, ...rest] = flags.positionals
  if (room === undefined) throw new UsageError("say whom: a room, --user <id> or --all")
  return { to: { rooms: [room] }, rest }
}

/** A problem (RFC 9457) in one line; other text, such as a proxy's, as it is. */
const describeProblem = (answer: string): string => {
  let problem: unknown
  try {
    problem = JSON.parse(answer)
  } catch {
    return answer.slice(0, 500)
  }
  return typeof problem === "object" && problem !== null && "code" in problem && "detail" in problem
    ? `${problem.code}: ${problem.detail}`
    : answer.slice(0, 500)
}

const run = async (flags: Flags, io: Io): Promise<number> => {
  const { to, rest } = readTarget(flags)
  const [event, text, ...more] = rest
  if (event === undefined) throw new UsageError("say what: an event's name")
  if (more.length > 0) throw new UsageError(`too many arguments: "${more[0]}"; data is one argument, in quotes`)
  const { ROOMCAST_API_KEY } = io.env
  const key = flags.text("key") ?? ROOMCAST_API_KEY
  if (key === undefined || key === "") throw new UsageError("an API key is needed: --key, or ROOMCAST_API_KEY")
  if (!isHeaderText(key)) throw new UsageError(`--key takes ${HEADER_TEXT}`)
  const url = gatewayUrl(flags, io.env)
  const ackMs = durationFlag(flags, "ack")
  const ttlMs = durationFlag(flags, "ttl")
  const idempotencyKey = flags.text("idempotency-key")
  if (idempotencyKey !== undefined && !isHeaderText(idempotencyKey))
    throw new UsageError(`--idempotency-key takes ${HEADER_TEXT}`)
  const data = await readData(text, io)
  const body = JSON.stringify({
    to,
    event,
    data: data ?? null,
    ...(flags.isOn("volatile") && { volatile: true }),
    ...(ttlMs !== undefined && { ttlMs }),
    ...(ackMs !== undefined && { ack: { timeoutMs: ackMs } }),
  })
  let response: Response
  let answer: string
  try {
    response = await fetch(new URL("/v1/messages", url), {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
      },
      body,
      signal: AbortSignal.timeout(Math.min(TIMEOUT_MS + (ackMs ?? 0), MAX_TIMEOUT_MS)),
    })
    answer = (await response.text()).trim()
  } catch (error) {
    io.err(`roomcast push: ${url.origin} cannot be reached: ${unreachable(error)}`)
    return EXIT.failed
  }
  if (response.ok) io.out(answer)
  else io.err(`roomcast push: refused with ${response.status}: ${describeProblem(answer)}`)
  return response.ok ? EXIT.done : EXIT.failed
}

export const push: Command = {
  flags: {
    user: { type: "string", many: true },
    all: { type: "boolean" },
    volatile: { type: "boolean" },
    ttl: { type: "string" },
    ack: { type: "string" },
    "idempotency-key": { type: "string" },
    url: { type: "string" },
    key: { type: "string" },
  },
  help,
  run,
}
