import type { Scope } from "#application/ports/token-verifier.ts"

/** Who calls the API: a key's id, a signature's, or a token's. */
export interface Credential {
  readonly id: string
  readonly scopes: readonly Scope[]
}

/** What a request carries on its way through the routes. */
export type Env = {
  Variables: {
    requestId: string
    credential: Credential
    /** The most bytes that this request's body may have. */
    bodyLimit: number
    /** The body, once it was read. */
    text: string | undefined
    /** Of the problem that was answered. */
    code: string | undefined
    /** Something may have been carried out: from here on an unavailable engine leaves the outcome unknown. */
    begun: true | undefined
  }
}
