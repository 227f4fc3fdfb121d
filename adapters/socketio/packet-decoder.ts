import { Decoder, type Packet } from "socket.io-parser"

/** Far more than an event or an acknowledgement has; above it nothing is told what is wrong, for nobody means it. */
const MAX_ARGUMENTS = 100

const boundArguments = ({ data }: Packet): void => {
  if (Array.isArray(data) && data.length > MAX_ARGUMENTS)
    throw new Error(`a packet has at most ${MAX_ARGUMENTS} arguments, found ${data.length}`)
}

/**
 * Socket.IO calls listeners with a packet's items as arguments: some 100,000 of them are more than the stack holds, and
 * what throws there ends the process. What throws here, before it hears of the packet, closes the connection, as every
 * packet does that cannot be read.
 */
export class BoundedDecoder extends Decoder {
  constructor() {
    super()
    this.on("decoded", boundArguments)
  }
}
