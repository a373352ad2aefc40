import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createReadiness, type Readiness } from '#src/web/readiness.js'
import { startWeb } from '#src/web/web.js'

const nobodyAsks = () => Promise.reject(new Error('not served here'))
const onlyHealth = (readiness: Readiness) => ({ readiness, api: () => undefined, metrics: nobodyAsks })

async function serve(readiness: Readiness): Promise<string> {
  const web = await startWeb('127.0.0.1', 0, onlyHealth(readiness))
  onTestFinished(() => web.stop())
  return web.address
}

/** Every part works. */
function workingParts(): Readiness {
  const readiness = createReadiness()
  for (const part of ['listeners', 'store', 'sessions'] as const) readiness.set(part, () => true)
  return readiness
}

async function get(url: string) {
  const response = await fetch(url)
  return { status: response.status, body: await response.json() }
}

const allWork = { listeners: true, store: true, sessions: true }

describe('/healthz', () => {
  it('answers 200 whatever the parts do', async () => {
    const address = await serve(createReadiness())
    expect(await get(`${address}/healthz`)).toEqual({ status: 200, body: { status: 'ok' } })
  })
})

describe('/readyz', () => {
  it('answers 200 when every part works', async () => {
    const address = await serve(workingParts())
    expect(await get(`${address}/readyz`)).toEqual({ status: 200, body: { status: 'ready', parts: allWork } })
  })

  it.each<[string, () => boolean | Promise<boolean>]>([
    ['says no', () => false],
    ['says no later', async () => false],
    [
      'throws',
      () => {
        throw new Error('broken')
      },
    ],
    ['rejects', () => Promise.reject(new Error('away'))],
    ['never answers', () => new Promise(() => undefined)],
  ])('answers 503 and names the part when one %s', async (_what, isWorking) => {
    const readiness = workingParts()
    readiness.set('store', isWorking)
    const address = await serve(readiness)
    const expected = { status: 'not ready', parts: { ...allWork, store: false } }
    expect(await get(`${address}/readyz`)).toEqual({ status: 503, body: expected })
  })

  it('counts a part as not working until it is known, and asks again each time', async () => {
    const readiness = createReadiness()
    const address = await serve(readiness)
    const none = { listeners: false, store: false, sessions: false }
    expect((await get(`${address}/readyz`)).body).toMatchObject({ parts: none })
    let works = true
    for (const part of ['listeners', 'store', 'sessions'] as const) readiness.set(part, () => works)
    expect((await get(`${address}/readyz`)).status).toBe(200)
    works = false
    expect((await get(`${address}/readyz`)).status).toBe(503)
  })
})

describe('The HTTP server', () => {
  it('has nothing else, and takes no other method', async () => {
    const address = await serve(workingParts())
    expect((await get(`${address}/`)).status).toBe(404)
    expect((await fetch(`${address}/readyz`, { method: 'POST' })).status).toBe(404)
  })

  it('says which setting is wrong when its port is taken', async () => {
    const port = Number(new URL(await serve(workingParts())).port)
    await expect(startWeb('127.0.0.1', port, onlyHealth(workingParts()))).rejects.toMatchObject({
      code: 'CONFIG_CONFLICT',
      message: expect.stringContaining(`HTTP_PORT = ${port}, BIND_ADDRESS = 127.0.0.1`),
    })
  })

  it('stops although a client is in the middle of a request', async () => {
    const web = await startWeb('127.0.0.1', 0, onlyHealth(workingParts()))
    const socket = connect(Number(new URL(web.address).port), '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\n')
    await once(socket, 'data')
    const closed = once(socket.on('error', () => undefined).resume(), 'close')
    await web.stop()
    await closed
    await expect(fetch(`${web.address}/healthz`)).rejects.toThrow()
  })
})
