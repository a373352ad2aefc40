import type { MessagePort } from 'node:worker_threads'
import type { Store } from '../store.js'
import { StoreError, type StoreErrorCode } from '../store-error.js'
import type { StoreOptions } from '../store-options.js'

/** What the thread is told first. */
export interface ThreadStart {
  readonly path: string
  readonly options: StoreOptions
}

/** The methods that the thread is asked for. */
export type Method = Exclude<keyof Store, 'lanes'>

/** What the method `M` resolves to. */
export type ResultOf<M extends Method> = Awaited<ReturnType<Store[M]>>

/** One call of the method `M`; `id` comes back with its answer. */
export interface CallOf<M extends Method> {
  readonly id: number
  readonly method: M
  readonly args: Parameters<Store[M]>
}

/** Any call. */
export type Call = { [M in Method]: CallOf<M> }[Method]

/** What a call came to; of an error only what survives being copied between threads. */
export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: PackedError }

/** The `id` of the answer that says whether the file could be opened. */
export const OPENED = 0

/** What a thread says first, of its own accord: it has loaded. */
export const LOADED = { id: -1 } as const

/** What it is told last: to end when it has done what it is doing. */
export const END = { id: -2 } as const

/** Hands a thread what it is told, until that is to end. */
export function takeMessages<T extends object>(port: MessagePort, take: (message: T) => void): void {
  port.on('message', (message: T | typeof END) => {
    if (isEnd(message)) port.close()
    else take(message)
  })
}

function isEnd(message: object): message is typeof END {
  return 'id' in message && message.id === END.id
}

/** What of a StoreError is sent. */
export interface PackedError {
  readonly code: StoreErrorCode
  readonly message: string
}

/** What of an error is sent to the other thread; one that is no StoreError becomes STORE_UNAVAILABLE. */
export function packError(error: unknown): PackedError {
  return error instanceof StoreError
    ? { code: error.code, message: error.message.slice(`${error.code}: `.length) }
    : { code: 'STORE_UNAVAILABLE', message: String(error) }
}

/** The StoreError that was sent. */
export function unpackError({ code, message }: PackedError): StoreError {
  return new StoreError(code, message)
}
