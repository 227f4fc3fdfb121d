import type { Webhook } from "standardwebhooks"
import type { NoticeKind, QuestionKind, WebhookData } from "#application/ports/backend.ts"

/** The body of a webhook, as JSON text: `{ type, timestamp, data }`, `timestamp` in ISO 8601. */
export const webhookBody = (kind: QuestionKind | NoticeKind, data: WebhookData, nowMs: number): string =>
  JSON.stringify({
    type: kind,
    timestamp: new Date(nowMs).toISOString(),
    data: {
      connectionId: data.connectionId,
      userId: data.userId,
      room: data.room,
      event: data.event,
      payload: data.payload,
      info: data.info,
    },
  })

/** The same in every try of one webhook, so that a backend can tell a repeat. */
export const newWebhookId = (): string => `msg_${crypto.randomUUID()}`

/**
 * Headers of one try, signed as Standard Webhooks has it: HMAC-SHA256 over `id.timestamp.body`, timestamp in s.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export const signedHeaders = (signer: Webhook, id: string, body: string, nowMs: number): Record<string, string> => ({
  "content-type": "application/json",
  accept: "application/json",
  "user-agent": "roomcast",
  "webhook-id": id,
  "webhook-timestamp": String(Math.floor(nowMs / 1000)),
  "webhook-signature": signer.sign(id, new Date(nowMs), body),
})
