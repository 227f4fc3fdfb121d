import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type ComposeRefusal, composeMessage } from "#application/compose-message.ts"
import { ConnectionDirectory, type Located } from "#application/ports/connection-directory.ts"
import { Engine, type IdempotencyKey } from "#application/ports/engine.ts"
import type { AckedPush, PushInput } from "#application/ports/handler-actions.ts"
import { Idempotency } from "#application/ports/idempotency.ts"
import type { Ids } from "#application/ports/ids.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { type AckAnswer, NodeCommands } from "#application/ports/node-commands.ts"
import type { Settings } from "#application/ports/settings.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { invalidRequest } from "#domain/invalid-request.ts"
import type { Message } from "#domain/message.ts"

export interface PushWithAcks {
  readonly push: PushInput
  readonly from: "backend" | "handler"
  /** How long the connections have to answer, 1 to MAX_ACK_TIMEOUT_MS. */
  readonly timeoutMs: number
  readonly idempotency: IdempotencyKey | undefined
}

export type AckedRefusal =
  | ComposeRefusal
  | Refused<"engine_unavailable" | "idempotency_key_reused" | "overloaded" | "rate_limited">

/** So many connections are asked at most, for each one's answer is held until the last has come. */
export const MAX_ASKED = 1_000
export const MAX_ACK_TIMEOUT_MS = 60_000

/** For a node to hand its answers over, once their time is up. */
const NODE_GRACE_MS = 1_000

/**
 * Pushes a message, never logged, and gathers what each connection's client acknowledges it with. Who is excepted is
 * decided where the connection is, for only its node knows its session's past ids. A node that fails or is late makes
 * its connections missing. A repeat of the idempotency key joins the wait and gets the same answer.
 */
export const pushWithAcks = (
  command: PushWithAcks,
): Effect.Effect<
  AckedPush,
  AckedRefusal,
  ConnectionDirectory | Engine | Idempotency | Ids | Metrics | NodeCommands | Settings
> =>
  Effect.suspend(() => {
    const { idempotency } = command
    if (idempotency === undefined) return pushAndGather(command)
    return Idempotency.use(({ once }) => once(idempotency.key, idempotency.digest, pushAndGather(command)))
  })

const pushAndGather = Effect.fn("pushWithAcks")(function* ({ from, idempotency, push, timeoutMs }: PushWithAcks) {
  if (!(Number.isSafeInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= MAX_ACK_TIMEOUT_MS))
    return yield* Effect.fail(
      invalidRequest([{ pointer: "/ack/timeoutMs", detail: `is 1 to ${MAX_ACK_TIMEOUT_MS} ms, found ${timeoutMs}` }]),
    )
  const { message: composed } = yield* composeMessage(push, yield* Clock.currentTimeMillis)
  const directory = yield* ConnectionDirectory
  const recipients = yield* directory.locate(composed.rooms, MAX_ASKED)
  if (recipients.length > MAX_ASKED)
    return yield* Effect.fail(
      invalidRequest([
        { pointer: "/to", detail: `reaches more than ${MAX_ASKED} connections: with ack it reaches so many at most` },
      ]),
    )
  const engine = yield* Engine
  // To nobody: only for the record that a push without ack looks into, so that no key is used for both.
  const { id } = yield* engine.publish({ message: { ...composed, rooms: [] }, histories: [], idempotency })
  const message: Message = { ...composed, id }
  const metrics = yield* Metrics
  metrics.messageReceived(from)
  const answers = yield* Effect.forEach(
    byNode(recipients),
    ([node, connectionIds]) => askNode(node, message, connectionIds, timeoutMs),
    { concurrency: "unbounded" },
  )
  const responses = new Map<string, AckAnswer>()
  const excepted = new Set<string>()
  for (const answer of answers) {
    if (answer?.kind !== "answers") continue
    for (const response of answer.responses) responses.set(response.connectionId, response)
    for (const connectionId of answer.excepted) excepted.add(connectionId)
  }
  return {
    id: message.id,
    responses: [...responses.values()],
    missing: recipients.map(({ connectionId }) => connectionId).filter((id) => !responses.has(id) && !excepted.has(id)),
  }
})

const byNode = (recipients: readonly Located[]): ReadonlyMap<string, readonly string[]> => {
  const nodes = new Map<string, string[]>()
  for (const { connectionId, node } of recipients) {
    const ids = nodes.get(node)
    if (ids === undefined) nodes.set(node, [connectionId])
    else ids.push(connectionId)
  }
  return nodes
}

/** Undefined: nothing is known of its connections. */
const askNode = Effect.fnUntraced(function* (
  node: string,
  message: Message,
  connectionIds: readonly string[],
  timeoutMs: number,
) {
  const commands = yield* NodeCommands
  return yield* commands.send(node, { kind: "ask", message, connectionIds, timeoutMs }).pipe(
    Effect.timeoutOrElse({
      duration: timeoutMs + NODE_GRACE_MS,
      orElse: () => Effect.fail(new Refusal("engine_unavailable", `node ${node} did not answer in time`)),
    }),
    Effect.catch((refusal) =>
      Effect.logWarning("a node did not gather acknowledgements", {
        by: node,
        code: refusal._tag,
        messageId: message.id,
      }),
    ),
  )
})
