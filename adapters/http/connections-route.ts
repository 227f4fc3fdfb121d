import { Hono } from "hono"
import { z } from "zod"
import { changeMembership } from "#application/use-cases/change-membership.ts"
import { disconnectConnection } from "#application/use-cases/disconnect-connection.ts"
import { listConnections } from "#application/use-cases/list-connections.ts"
import { lookUpConnection } from "#application/use-cases/look-up-connection.ts"
import { type Run, requireScope } from "./endpoint.ts"
import type { Env } from "./env.ts"
import { mayManage } from "./may-manage.ts"
import { roomName, userName } from "./names.ts"
import { page } from "./page-query.ts"
import { params, query, strictObject } from "./validate.ts"

/** Unknown ids are 404, whatever they look like. */
const connection = z.object({ connectionId: z.string() })
const membership = z.object({ connectionId: z.string(), room: roomName })
const filter = strictObject({ ...page, userId: userName.optional(), room: roomName.optional() })

/** `/connections` and what is below. */
export const connectionsRoute = (run: Run): Hono<Env> =>
  new Hono<Env>()
    .get("/connections", requireScope("read"), query(filter), (c) => {
      const { userId, room, limit, cursor } = c.req.valid("query")
      return run(c, listConnections({ userId, room, limit, cursor }), (found) => c.json(found))
    })
    .get("/connections/:connectionId", requireScope("read"), params(connection), (c) =>
      run(c, lookUpConnection(c.req.valid("param").connectionId), (entry) => c.json(entry)),
    )
    .delete("/connections/:connectionId", mayManage, params(connection), (c) =>
      run(c, disconnectConnection(c.req.valid("param").connectionId), () => c.body(null, 204)),
    )
    .put("/connections/:connectionId/rooms/:room", mayManage, params(membership), (c) => {
      const { connectionId, room } = c.req.valid("param")
      return run(c, changeMembership({ change: "join", of: { connectionId }, room }), (changed) => c.json(changed))
    })
    .delete("/connections/:connectionId/rooms/:room", mayManage, params(membership), (c) => {
      const { connectionId, room } = c.req.valid("param")
      return run(c, changeMembership({ change: "leave", of: { connectionId }, room }), (changed) => c.json(changed))
    })
