import { Hono } from "hono"
import { z } from "zod"
import { changeMembership } from "#application/use-cases/change-membership.ts"
import { disconnectUser } from "#application/use-cases/disconnect-user.ts"
import { queryUsers } from "#application/use-cases/query-users.ts"
import { MAX_PAGE } from "#domain/presence.ts"
import { type Run, requireScope } from "./endpoint.ts"
import type { Env } from "./env.ts"
import { mayManage } from "./may-manage.ts"
import { roomName, userName } from "./names.ts"
import { jsonBody, params, strictObject } from "./validate.ts"

const user = z.object({ userId: userName })
const membership = z.object({ userId: userName, room: roomName })
const several = strictObject({ userIds: z.array(userName).max(MAX_PAGE) })

/** `/users` and what is below. */
export const usersRoute = (run: Run): Hono<Env> =>
  new Hono<Env>()
    .post("/users/query", requireScope("read"), jsonBody(several), (c) =>
      run(c, queryUsers(c.req.valid("json").userIds), (items) => c.json({ items })),
    )
    .get("/users/:userId", requireScope("read"), params(user), (c) =>
      run(c, queryUsers([c.req.valid("param").userId]), ([view]) => c.json(view)),
    )
    .delete("/users/:userId/connections", mayManage, params(user), (c) =>
      run(c, disconnectUser(c.req.valid("param").userId), (closed) => c.json(closed)),
    )
    .put("/users/:userId/rooms/:room", mayManage, params(membership), (c) => {
      const { userId, room } = c.req.valid("param")
      return run(c, changeMembership({ change: "join", of: { userId }, room }), (changed) => c.json(changed))
    })
    .delete("/users/:userId/rooms/:room", mayManage, params(membership), (c) => {
      const { userId, room } = c.req.valid("param")
      return run(c, changeMembership({ change: "leave", of: { userId }, room }), (changed) => c.json(changed))
    })
