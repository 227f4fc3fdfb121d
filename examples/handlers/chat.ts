import { defineHandler, z } from "roomcast"

const Info = z.object({ name: z.string(), teams: z.array(z.string()) })

/**
 * chat.send `{ team, text }` -> everybody in the room `team:<team>` gets chat.message `{ text, from }`; the ack's data is
 * `{ id, offset? }`. The caller's teams are in the `info` claim of its token, which nobody but the backend can sign:
 * a handler pushes with the backend's rights, so it asks itself who may.
 */
export default defineHandler({
  event: "chat.send",
  timeout: "3s",
  input: z.object({ team: z.string().regex(/^[\w-]{1,40}$/), text: z.string().trim().min(1).max(2_000) }),
  async handle({ team, text }, { userId, info, push, refuse, log }) {
    const caller = Info.safeParse(info)
    if (!caller.success || !caller.data.teams.includes(team)) {
      log.info("chat refused", { team })
      return refuse("not_in_team", `only members of the team ${team} may write to it`)
    }
    return await push({
      to: { rooms: [`team:${team}`] },
      event: "chat.message",
      data: { text, from: { userId, name: caller.data.name } },
    })
  },
})
