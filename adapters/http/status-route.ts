import { Hono } from "hono"
import { listNodes } from "#application/use-cases/list-nodes.ts"
import { nodeStatus } from "#application/use-cases/node-status.ts"
import { type Run, requireScope } from "./endpoint.ts"
import type { Env } from "./env.ts"

/** `/status`, this node, and `/nodes`, the cluster. */
export const statusRoute = (run: Run): Hono<Env> =>
  new Hono<Env>()
    .get("/status", requireScope("read"), (c) => run(c, nodeStatus(), (status) => c.json(status)))
    .get("/nodes", requireScope("read"), (c) => run(c, listNodes(), (items) => c.json({ items })))
