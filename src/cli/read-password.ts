import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { CliContext } from './cli-context.js'
import { CommandError } from './run-command.js'

/** The longest password that an MQTT CONNECT can carry, in bytes [MQTT-3.1.3.5]. */
const MAX_PASSWORD_BYTES = 65_535

/**
 * Asks for a new password: twice and unseen on a terminal, else the first line of standard input.
 *
 * @throws CommandError when there is none, the two differ, it is too long or not UTF-8, or on Ctrl-C.
 */
export async function readPassword(context: CliContext, user: string): Promise<string> {
  const password =
    context.stdin.isTTY === true ? await askTwice(context, user) : await firstLine(context.stdin)
  if (password === '') throw CommandError.failed('an empty password is refused')
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) {
    throw CommandError.failed(`a password has at most ${MAX_PASSWORD_BYTES} bytes`)
  }
  return password
}

async function askTwice({ stdin, stderr }: CliContext, user: string): Promise<string> {
  // readline edits the line as the user expects and puts the terminal into raw mode, which stops the
  // terminal's own echo; what readline would echo goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: stdin, output: nowhere, terminal: true, historySize: 0 })
  let isInterrupted = false
  terminal.once('SIGINT', () => {
    isInterrupted = true
    terminal.close()
  })
  const lines = terminal[Symbol.asyncIterator]()
  const ask = async (prompt: string): Promise<string> => {
    stderr.write(prompt)
    const line = await lines.next()
    stderr.write('\n')
    if (isInterrupted) throw CommandError.interrupted()
    if (line.done === true) throw CommandError.failed('no password was typed')
    return line.value
  }
  try {
    const password = await ask(`New password of ${user}: `)
    if (password === '') return ''
    if (password !== (await ask('The same again: '))) throw CommandError.failed('the two passwords differ')
    return password
  } finally {
    terminal.close()
  }
}

async function firstLine(stdin: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk)
    const end = bytes.indexOf('\n')
    chunks.push(end === -1 ? bytes : bytes.subarray(0, end))
    length += bytes.length
    // Whatever comes without end is no password, and is not gathered any further than to say so.
    if (end !== -1 || length > 2 * MAX_PASSWORD_BYTES) break
  }
  try {
    const line = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
    return line.endsWith('\r') ? line.slice(0, -1) : line
  } catch {
    throw CommandError.failed('the password on standard input is not UTF-8')
  }
}
