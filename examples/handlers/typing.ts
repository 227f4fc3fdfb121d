import { defineHandler, z } from "roomcast"

const Info = z.object({ teams: z.array(z.string()) })

/**
 * typing `{ team, typing }` -> everybody else in the room `team:<team>` gets it with the user's id. Volatile: whoever is
 * behind or away does not need to know.
 */
export default defineHandler({
  event: "typing",
  timeout: "500ms",
  input: z.object({ team: z.string().regex(/^[\w-]{1,40}$/), typing: z.boolean() }),
  async handle({ team, typing }, { userId, connectionId, info, push, refuse }) {
    const caller = Info.safeParse(info)
    if (!caller.success || !caller.data.teams.includes(team)) return refuse("not_in_team", "not a member of the team")
    await push({
      to: { rooms: [`team:${team}`], except: { connections: [connectionId] } },
      event: "typing",
      data: { userId, typing },
      volatile: true,
    })
    return undefined
  },
})
