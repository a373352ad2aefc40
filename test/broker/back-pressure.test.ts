import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createBackPressure } from '#src/broker/back-pressure.js'

/** The server's side of a connection over loopback, and the client's. */
async function connectPair(): Promise<readonly [Socket, Socket]> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const client = connect({ port: address.port, host: '127.0.0.1' })
  const [socket] = await once(server, 'connection')
  onTestFinished(() => {
    client.destroy()
    socket.destroy()
  })
  return [socket, client]
}

function watch(stream: Socket) {
  const stalled = vi.fn()
  const pressure = createBackPressure(stream, {
    ...{ stalledAfterMs: 20_000, stalled },
    join: Buffer.concat,
    count: () => undefined,
    hold: () => undefined,
    drained: () => undefined,
  })
  return { pressure, stalled }
}

test('an answer to a client that has gone does not have it disconnected for reading nothing', async () => {
  const [stream, client] = await connectPair()
  const { pressure, stalled } = watch(stream)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  stream.on('error', () => undefined)
  const closed = once(stream, 'close')
  client.destroy()
  stream.resume()
  await closed
  stream.write(Buffer.from('an answer'))
  pressure.write(Buffer.from('a message'))
  vi.advanceTimersByTime(20_000)
  expect(stalled).not.toHaveBeenCalled()
  expect(pressure.isFull).toBe(false)
})

test('a client that reads nothing is told of when it has taken nothing for so long', async () => {
  const [stream, client] = await connectPair()
  const { pressure, stalled } = watch(stream)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  client.pause()
  while (!pressure.isFull) stream.write(Buffer.alloc(65_536))
  vi.advanceTimersByTime(19_999)
  expect(stalled).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(stalled).toHaveBeenCalledOnce()
})

test('what is written in one turn is one write, its acknowledgements first, also when the connection is to end', async () => {
  const [stream, client] = await connectPair()
  const writes = vi.spyOn(stream, 'write')
  const { pressure } = watch(stream)
  const received: Buffer[] = []
  client.on('data', (chunk: Buffer) => received.push(chunk))
  pressure.write(Buffer.from('one '))
  pressure.acknowledge(1)
  pressure.write(Buffer.from('two '))
  stream.end(Buffer.from('the last'))
  await once(client, 'end')
  expect(Buffer.concat(received).toString('latin1')).toBe('\x40\x02\x00\x01one two the last')
  expect(writes).toHaveBeenCalledOnce()
})

test('what is written comes before an answer that is written behind it', async () => {
  const [stream, client] = await connectPair()
  const { pressure } = watch(stream)
  pressure.write(Buffer.from('a message, '))
  stream.write(Buffer.from('an answer'))
  const [received] = await once(client, 'data')
  expect(String(received)).toMatch(/^a message, /)
})

test('so much is gathered in one turn, and no more', async () => {
  const [stream] = await connectPair()
  const writes = vi.spyOn(stream, 'write')
  const { pressure } = watch(stream)
  for (let at = 0; at < 15; at += 1) pressure.write(Buffer.alloc(1024))
  expect(writes).not.toHaveBeenCalled()
  pressure.write(Buffer.alloc(1024))
  expect(writes).toHaveBeenCalledExactlyOnceWith(Buffer.alloc(16_384))
})

test('answers that are written in several callbacks of a turn are one write', async () => {
  const [stream, client] = await connectPair()
  watch(stream)
  const written = vi.spyOn(stream, '_write')
  for (const answer of ['one', 'two', 'three']) {
    setImmediate(() => {
      stream.write(Buffer.from(`${answer} `))
      stream.write(Buffer.from('answer\n'))
    })
  }
  const [bytes] = await once(client, 'data')
  expect(String(bytes)).toBe('one answer\ntwo answer\nthree answer\n')
  expect(written).toHaveBeenCalledTimes(1)
})

test('an answer leaves before its connection is destroyed', async () => {
  const [stream, client] = await connectPair()
  watch(stream)
  stream.write(Buffer.from('an answer'))
  stream.destroy()
  const [bytes] = await once(client, 'data')
  expect(String(bytes)).toBe('an answer')
})
