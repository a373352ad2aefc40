import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { onTestFinished } from 'vitest'

/** What a receiver does with a request whose body it has read. */
export type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** An HTTP server that alerts are posted to. */
export interface WebhookReceiver {
  readonly url: string
  /** The body of every request so far, parsed, with its answer under way. */
  readonly received: readonly unknown[]
  /** The first one, past or to come, that is accepted. */
  got(accepts: (body: unknown) => boolean): Promise<unknown>
}

/** Answers 200. */
export const takeIt: Answer = (response) => response.writeHead(200).end('thanks')

/** Starts one on 127.0.0.1 until the running test is over; with `tls`, for https. */
export async function startWebhookReceiver(
  answer: Answer = takeIt,
  tls?: { readonly cert: string; readonly key: string },
): Promise<WebhookReceiver> {
  const received: unknown[] = []
  const watchers = new Set<() => void>()
  const take: RequestListener = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      received.push(JSON.parse(Buffer.concat(chunks).toString()))
      answer(response, request)
      for (const watch of [...watchers]) watch()
    })
  }
  const server = tls === undefined ? createServer(take) : createSecureServer(tls, take)
  const port = await listen(server)
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/alerts`,
    received,
    got: (accepts) =>
      new Promise((resolve) => {
        const watch = (): void => {
          const found = received.findIndex(accepts)
          if (found === -1) return
          watchers.delete(watch)
          resolve(received[found])
        }
        watchers.add(watch)
        watch()
      }),
  }
}

function listen(server: Pick<Server, 'listen' | 'address' | 'once'>): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('no port'))
      else resolve(address.port)
    })
  })
}
