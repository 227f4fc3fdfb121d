import { Hono } from "hono"
import { z } from "zod"
import { clearHistory } from "#application/use-cases/clear-history.ts"
import { listMembers } from "#application/use-cases/list-members.ts"
import { listRooms } from "#application/use-cases/list-rooms.ts"
import { lookUpRoom } from "#application/use-cases/look-up-room.ts"
import { readHistory } from "#application/use-cases/read-history.ts"
import { MAX_NAME_BYTES } from "#domain/name.ts"
import { type Run, requireScope } from "./endpoint.ts"
import type { Env } from "./env.ts"
import { mayManage } from "./may-manage.ts"
import { roomName } from "./names.ts"
import { limit, page } from "./page-query.ts"
import { params, query, strictObject } from "./validate.ts"

const room = z.object({ room: roomName })
const filter = strictObject({ ...page, prefix: z.string().max(MAX_NAME_BYTES).optional() })
const history = strictObject({ limit, since: z.string().optional() })

/** `/rooms` and what is below. */
export const roomsRoute = (run: Run): Hono<Env> =>
  new Hono<Env>()
    .get("/rooms", requireScope("read"), query(filter), (c) => {
      const { prefix, limit, cursor } = c.req.valid("query")
      return run(c, listRooms({ prefix, limit, cursor }), (found) => c.json(found))
    })
    .get("/rooms/:room", requireScope("read"), params(room), (c) =>
      run(c, lookUpRoom(c.req.valid("param").room), (view) => c.json(view)),
    )
    .get("/rooms/:room/members", requireScope("read"), params(room), query(strictObject(page)), (c) => {
      const { limit, cursor } = c.req.valid("query")
      return run(c, listMembers(c.req.valid("param").room, { limit, cursor }), (members) => c.json(members))
    })
    .get("/rooms/:room/messages", requireScope("read"), params(room), query(history), (c) => {
      const { since, limit } = c.req.valid("query")
      return run(c, readHistory({ room: c.req.valid("param").room, since, limit }), ({ messages, complete }) =>
        c.json({ items: messages, complete }),
      )
    })
    .delete("/rooms/:room/messages", mayManage, params(room), (c) =>
      run(c, clearHistory(c.req.valid("param").room), () => c.body(null, 204)),
    )
