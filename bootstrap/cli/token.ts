import * as Effect from "effect/Effect"
import { signToken } from "#adapters/jose/sign-token.ts"
import { claimsOf } from "#adapters/jose/token-claims.ts"
import { formatDuration } from "#bootstrap/show-config.ts"
import { DURATION_FORMS, parseDuration } from "#domain/duration.ts"
import { Refusal } from "#domain/errors.ts"
import type { Command } from "./command.ts"
import { loadFrom, printMistakes } from "./config-flags.ts"
import { type Flags, UsageError } from "./flags.ts"
import { EXIT, type Io } from "./io.ts"

const help = `Usage: roomcast token --sub <user> [flags]

Signs a client's token (HS256) with the configured jwt.secret and prints it. For trying things out, and for backends
without a JWT library.

  --sub <user>           the user's id
  --rooms <pattern>      a room that the user may join; may be repeated
  --publish <pattern>    a room that the user may publish to; may be repeated
  --info <json>          shown to others in presence
  --expires <duration>   how long it is valid, at most jwt.maxLifetime (1h)
  --config <file>        where jwt is configured (ROOMCAST_CONFIG)

Examples:
  ROOMCAST_JWT_SECRET=… roomcast token --sub alice
  roomcast token --config roomcast.yaml --sub alice --rooms 'chat:*' --publish 'chat:*' --expires 2h
  roomcast token --sub alice --info '{"name":"Alice"}'

Exit codes: 0 done, 1 no secret or mistakes in the configuration, 2 wrong usage.`

const readInfo = (text: string | undefined): unknown => {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`--info takes JSON, such as '{"name":"Alice"}'`)
  }
}

const readLifetime = (text: string | undefined, maxMs: number): number => {
  if (text === undefined) return Math.min(3_600_000, maxMs)
  const ms = parseDuration(text)
  if (ms === undefined || ms < 1_000 || ms > maxMs)
    throw new UsageError(
      `--expires takes 1s to ${formatDuration(maxMs)} (jwt.maxLifetime), written ${DURATION_FORMS}, found "${text}"`,
    )
  return ms
}

const run = async (flags: Flags, io: Io): Promise<number> => {
  const sub = flags.text("sub")
  if (sub === undefined || sub === "") throw new UsageError("--sub is needed: the user's id")
  if (flags.positionals.length > 0) throw new UsageError(`unknown argument "${flags.positionals[0]}"`)
  const info = readInfo(flags.text("info"))
  // Whether the gateway could start in production with this configuration is not asked here.
  const loaded = loadFrom(flags, { readFile: io.readFile, env: { ...io.env, NODE_ENV: undefined } })
  if ("mistakes" in loaded) {
    printMistakes(loaded.mistakes, io)
    return EXIT.failed
  }
  const { jwt } = loaded.config
  if (jwt.secret === undefined || loaded.generated.includes("jwt.secret")) {
    io.err("roomcast token: jwt.secret is not configured: give ROOMCAST_JWT_SECRET or --config, as the gateway has it")
    return EXIT.failed
  }
  const issuedAt = Math.floor(Date.now() / 1000)
  const content = {
    userId: sub,
    issuedAt,
    expiresAt: issuedAt + Math.floor(readLifetime(flags.text("expires"), jwt.maxLifetime) / 1000),
    rooms: flags.all("rooms"),
    publish: flags.all("publish"),
    ...(jwt.issuer !== undefined && { issuer: jwt.issuer }),
    ...(jwt.audience !== undefined && { audience: jwt.audience }),
    ...(info !== undefined && { info }),
  }
  const { expiresAt, userId, ...claims } = content
  const checked = claimsOf({ sub: userId, ...claims }, { expiresAt, issuedAt })
  if (checked instanceof Refusal) throw new UsageError(`the gateway would refuse it: ${checked.message}`)
  io.out(await Effect.runPromise(signToken(content, jwt.secret)))
  return EXIT.done
}

export const token: Command = {
  flags: {
    sub: { type: "string" },
    rooms: { type: "string", many: true },
    publish: { type: "string", many: true },
    info: { type: "string" },
    expires: { type: "string" },
    config: { type: "string" },
  },
  help,
  run,
}
