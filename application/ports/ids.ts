import * as Context from "effect/Context"

/** Identifiers that nobody can guess or meet twice. */
export class Ids extends Context.Service<
  Ids,
  {
    readonly message: () => string
    /** 160 random bits in base64url: a bearer secret of its client. */
    readonly session: () => string
    /** For an anonymous user. */
    readonly anonymous: () => string
  }
>()("roomcast/application/ports/ids") {}
