import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net'

/** What Node keeps of the option `onread` of a socket: `callback` is called with the socket as `this`. */
interface OnReadKeys {
  readonly buffer: symbol
  readonly callback: symbol
}

/** As much as libuv reads at once. */
const BUFFER_BYTES = 65_536

const shared = Buffer.allocUnsafeSlow(BUFFER_BYTES)

/** The chunk has its own memory from here on, of the length that was read. */
function pushCopy(this: Socket, bytes: number, buffer: Buffer): boolean {
  return this.push(Buffer.from(buffer.subarray(0, bytes)))
}

const keys = findKeys()

/**
 * Has what comes on `socket` read into one buffer that all share, and copied from there. Node else makes an ArrayBuffer
 * of 64 KiB for each read, and cuts it down to the 100 bytes of a message: 4 of the 18 µs in which Node alone reads that
 * and answers it. Node's option `onread` is for this (net, `new net.Socket`), but not for sockets that a server accepts,
 * so it is set on them as Node sets it. A Node that keeps it elsewhere reads as ever; so does one on Windows, where the
 * kernel writes to the buffer of a socket while another is read.
 */
export function readIntoSharedBuffer(socket: Socket): void {
  const handle: unknown = Reflect.get(socket, '_handle')
  if (keys === undefined || typeof handle !== 'object' || handle === null) return
  const useUserBuffer: unknown = Reflect.get(handle, 'useUserBuffer')
  if (typeof useUserBuffer !== 'function') return
  Reflect.set(socket, keys.buffer, shared)
  Reflect.set(socket, keys.callback, pushCopy)
  Reflect.apply(useUserBuffer, handle, [shared])
}

function findKeys(): OnReadKeys | undefined {
  if (process.platform === 'win32') return undefined
  const called = (): boolean => true
  const options: SocketConstructorOpts & Pick<ConnectOpts, 'onread'> = {
    onread: { buffer: shared, callback: called },
  }
  const probe = new Socket(options)
  const keyOf = (value: unknown): symbol | undefined =>
    Object.getOwnPropertySymbols(probe).find((key) => Reflect.get(probe, key) === value)
  const buffer = keyOf(shared)
  const callback = keyOf(called)
  probe.destroy()
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback }
}
