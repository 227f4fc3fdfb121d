import { defineHandler, z } from "roomcast"

const Info = z.object({ suspended: z.literal(true) })

/** Logs who connects, and keeps suspended users out: they get `connect_error` with the code `suspended`. */
export default defineHandler({
  on: "connect",
  handle(_, { userId, info, refuse, log }) {
    if (Info.safeParse(info).success) refuse("suspended", "this account is suspended")
    log.info("connecting", { userId })
  },
})
