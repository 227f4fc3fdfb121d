import { z } from "zod"
import { parseAddress } from "#adapters/redis/redis-address.ts"
import { isNodeId } from "./config-formats.ts"
import { secretText, text, whole } from "./config-leaf.ts"

export const redis = z.strictObject({
  url: secretText(
    "Where Redis is: one server, servers watched by Sentinel with the master's name, or a Redis Cluster.",
    "redis://user:password@host:6379/0, redis+sentinel://host:26379,host2:26379/mymaster or redis+cluster://host,host2; rediss for TLS",
    (value) => parseAddress(value) !== undefined,
  ).optional(),
  prefix: text(
    "What every key and channel in Redis begins with: deployments that share a server differ in it.",
    "1-63 letters, digits, . _ -, first a letter or digit",
    isNodeId,
  ).default("roomcast"),
  partitions: whole(
    "Into how many parts rooms are spread. Where it is left out, 16 on Redis Cluster, else 1. All nodes have the same; another number makes every client begin anew.",
    1,
    64,
  ).optional(),
})
