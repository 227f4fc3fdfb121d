import { randomUUID } from "node:crypto"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Metrics } from "#application/ports/metrics.ts"
import {
  type CommandRefusal,
  type NodeAnswer,
  type NodeCommand,
  NodeCommands,
} from "#application/ports/node-commands.ts"
import { Settings } from "#application/ports/settings.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { LOG } from "./log.ts"
import { askRedis } from "./redis-commands.ts"
import { RedisStore } from "./redis-store.ts"

/** Commands that wait for another node's answer, and others' commands that run here. */
export const MAX_COMMANDS = 10_000
/** Another node's answer is waited for so long, beside what the command itself takes. */
const ANSWER_MS = 6_000
const RETRY_AFTER_MS = 1_000

/** What nodes write to each other's channel: a version, which an older or newer node may not know, then JSON. */
const VERSION = "1"
type Word =
  | { readonly ask: string; readonly from: string; readonly command: NodeCommand }
  | { readonly answerTo: string; readonly answer: NodeAnswer }
  | { readonly answerTo: string; readonly refusal: { readonly code: CommandRefusal["_tag"]; readonly message: string } }

type Run = (command: NodeCommand) => Effect.Effect<NodeAnswer, CommandRefusal>

const unavailable = (text: string): Refused<"engine_unavailable"> =>
  new Refusal("engine_unavailable", text, { retryAfterMs: RETRY_AFTER_MS })

const refusalOf = (code: CommandRefusal["_tag"], message: string): CommandRefusal => {
  if (code === "engine_unavailable") return unavailable(message)
  return code === "too_many_rooms" ? new Refusal(code, message) : new Refusal(code, message)
}

const wordOf = (text: string): Word | undefined => {
  if (!text.startsWith(VERSION)) return undefined
  try {
    const word: unknown = JSON.parse(text.slice(VERSION.length))
    return typeof word === "object" && word !== null ? (word as Word) : undefined
  } catch {
    return undefined
  }
}

const timeOf = (command: NodeCommand): number => ANSWER_MS + (command.kind === "ask" ? command.timeoutMs : 0)

/** What does not come back in time is a failure: whoever asked repeats it, and each command may run twice. */
export const redisNodeCommands: Layer.Layer<NodeCommands, never, Metrics | RedisStore | Settings> = Layer.effect(
  NodeCommands,
  Effect.gen(function* () {
    const { lease, state } = yield* RedisStore
    const { node: self } = yield* Settings
    const metrics = yield* Metrics
    const scope = yield* Effect.scope
    const services = yield* Effect.context<never>()
    const waiting = new Map<string, Deferred.Deferred<NodeAnswer, CommandRefusal>>()
    let running = 0
    let served: Run | undefined
    metrics.observe("node_commands", () => waiting.size + running)

    const say = (node: string, word: Word) =>
      askRedis(() => state.commands.run("PUBLISH", state.nodeChannel(node), VERSION + JSON.stringify(word)))

    const run: Run = (command) =>
      Effect.suspend(() => {
        if (served === undefined) return Effect.fail(unavailable(`node ${self} is starting`))
        if (running >= MAX_COMMANDS) {
          metrics.limitHit("node_commands")
          return Effect.fail(unavailable(`node ${self} runs ${MAX_COMMANDS} commands already`))
        }
        running++
        return Effect.ensuring(
          served(command),
          Effect.sync(() => running--),
        )
      })

    const obey = (answerTo: string, from: string, command: NodeCommand) =>
      run(command).pipe(
        Effect.map((answer): Word => ({ answerTo, answer })),
        Effect.catch(({ _tag: code, message }) => Effect.succeed<Word>({ answerTo, refusal: { code, message } })),
        Effect.flatMap((word) => say(from, word)),
        // Whoever asked waits no longer than it said.
        Effect.catchCause((cause) =>
          Effect.annotateLogs(Effect.logWarning("a command of another node was not answered", { from }, cause), LOG),
        ),
      )

    const hear = (word: Word): void => {
      if ("ask" in word) {
        Effect.runForkWith(services)(Effect.forkIn(obey(word.ask, word.from, word.command), scope))
        return
      }
      const asked = waiting.get(word.answerTo)
      if (asked === undefined) return
      Deferred.doneUnsafe(
        asked,
        "answer" in word
          ? Effect.succeed(word.answer)
          : Effect.fail(refusalOf(word.refusal.code, word.refusal.message)),
      )
    }
    state.onNodeWord = (text) => {
      const word = wordOf(text)
      if (word !== undefined) hear(word)
      else
        Effect.runForkWith(services)(
          Effect.annotateLogs(Effect.logWarning("a word on this node's channel is of no known version"), LOG),
        )
    }

    const ask = Effect.fnUntraced(function* (node: string, command: NodeCommand) {
      if (waiting.size >= MAX_COMMANDS) {
        metrics.limitHit("node_commands")
        return yield* Effect.fail(unavailable(`${MAX_COMMANDS} commands wait for other nodes already`))
      }
      const id = randomUUID()
      const answer = Deferred.makeUnsafe<NodeAnswer, CommandRefusal>()
      waiting.set(id, answer)
      return yield* say(node, { ask: id, from: self, command }).pipe(
        Effect.andThen(Deferred.await(answer)),
        Effect.timeoutOrElse({
          duration: timeOf(command),
          orElse: () => Effect.fail(unavailable(`node ${node} did not answer`)),
        }),
        Effect.ensuring(Effect.sync(() => waiting.delete(id))),
      )
    })

    const living = (): ReadonlySet<string> => new Set([self, ...Array.from(lease.living.values(), ({ node }) => node)])
    return {
      nodes: () =>
        askRedis(async () => {
          await lease.beat()
          return [...living()]
        }),
      send: Effect.fnUntraced(function* (node, command) {
        if (node === self) return yield* run(command)
        if (!living().has(node)) yield* askRedis(() => lease.beat())
        if (!living().has(node)) return yield* Effect.fail(unavailable(`there is no node ${node}`))
        return yield* ask(node, command)
      }),
      serve: (runHere) => {
        served = runHere
      },
    }
  }),
)
