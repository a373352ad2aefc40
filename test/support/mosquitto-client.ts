import { type RunningProgram, startProgram } from './program.js'

/** A `mosquitto_sub` or `mosquitto_pub` that is left to run. */
export type MosquittoClient = RunningProgram

/** Starts one against a broker on 127.0.0.1 until the running test is over. Its standard input stays open. */
export function startMosquittoClient(
  program: 'mosquitto_pub' | 'mosquitto_sub',
  port: number,
  args: readonly string[],
): MosquittoClient {
  return startProgram(program, ['-h', '127.0.0.1', '-p', `${port}`, ...args])
}
